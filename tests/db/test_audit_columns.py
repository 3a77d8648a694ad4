"""The audit detects a change of any column of any table of an event; the cases are generated from the schema.

Which columns are not compared, and why, is said in docs/proof.md; what is neither there nor found fails here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import pytest_asyncio

from evently.audit import examine
from evently.db import Connection, Database, Record
from evently.kit.ids import new_id
from evently.sales.commands.bookings import BookingLine, ExtendHold, PlaceBooking, ReturnTickets
from evently.sales.commands.check_ins import ScanTicket, UndoScan
from evently.sales.commands.sale_terms import ChangeSale
from evently.sales.commands.transfers import (
    AcceptTransfer,
    DeclineTransfer,
    GiveBackTicket,
    OfferTransfer,
    WithdrawTransfer,
)
from evently.sales.commands.waitlist import JoinWaitlist, LeaveWaitlist
from evently.sales.outcomes import Done, Scanned, Transferred
from evently.sales.reads import find_sale
from evently.sales.states import Direction
from evently.sales.terms import Conditions
from evently.waitingroom import WaitingRooms, WaitingRoomTerms, put_public_value, put_room
from tests.db.test_audit import deliver, found, trade
from tests.db.test_audit_extras import bustle, entry_of
from tests.support.paying import sold_under
from tests.support.sales_desk import SalesDesk, booking, open_sales_desk

PROOF: Final = (Path(__file__).parents[2] / "docs" / "proof.md").read_text(encoding="utf-8")

VALID: Final = {  # what else a state could be
    ("events", "state"): "draft published cancelled",
    ("sales", "state"): "closed open cancelled",
    ("bookings", "state"): "held confirmed expired cancelled",
    ("bookings", "payment"): "online door none",
    ("tickets", "state"): "valid used void",
    ("scans", "direction"): "in out",
    ("scans", "result"): "accepted inside",
    ("promo_codes", "kind"): "percent fixed fixed_per_booking unlock",
    ("ledger", "debit"): "buyer door gateway organizer tax fees refunds",
    ("ledger", "credit"): "buyer door gateway organizer tax fees refunds",
    ("transfers", "state"): "offered accepted declined withdrawn expired",
    ("waitlist_entries", "state"): "waiting offered fulfilled withdrawn",
    ("waitlist_entries", "reason"): "left declined lapsed cancelled over_limit",
    (
        "payments",
        "state",
    ): "authorising action_needed authorised confirmed declined voiding voided losing lost captured",
    ("payment_refunds", "state"): "asking settled never_paid failed",
}
OTHER: Final = {
    "uuid": "gen_random_uuid()",
    "uuid[]": "array_append({0}, gen_random_uuid())",
    "text[]": "array_append({0}, 'x')",
    "text": "{0} || 'x'",
    "integer": "{0} + 1",
    "integer[]": "array_append({0}, 1)",
    "bigint": "{0} + 1",
    "boolean": "NOT {0}",
    "timestamp with time zone": "{0} - interval '1 microsecond'",
    "bytea": "set_byte({0}, octet_length({0}) / 2, get_byte({0}, octet_length({0}) / 2) # 1)",
}
OTHER_OF: Final = {
    ("journal", "delivered_at"): "at - interval '1 minute'",  # clocks differ by less
    (
        "idempotency_keys",
        "answer",
    ): "overlay({0} PLACING '\\x00'::bytea FROM position('buyer_id'::bytea IN {0}) + 12)",
}
ANOTHER_KEY: Final = OTHER | {
    "integer": "{0} + 1000",
    "bigint": "{0} + 1000",
    "timestamp with time zone": "{0} - interval '1 day'",
}
SOME: Final = {
    "uuid": "gen_random_uuid()",
    "text": "'x'",
    "integer": "1",
    "bigint": "1",
    "timestamp with time zone": "now()",
}
WHERE: Final = {  # of which rows a column can be compared, as docs/proof.md says
    ("tickets", "secret"): "booking_id IN (SELECT booking_id FROM idempotency_keys)",
    ("journal", "at"): "convert_from(facts, 'UTF8') ~ 'booking_id|entry_id|ticket_ids'",
    ("payment_refunds", "state"): "state = 'settled'",
    ("waiting_room_entries", "entry_id"): "late_number IS NULL",
    ("scans", "event_id"): "result = 'accepted'",
    ("scans", "scan_id"): "result = 'accepted'",
    ("scans", "ticket_id"): "result = 'accepted'",
    ("scans", "direction"): "result = 'accepted'",
    ("scans", "received_at"): "result = 'accepted'",
    ("scans", "undone_at"): "result = 'accepted'",
}
# The rows of a table whose loss the audit detects at once. It detects a lost refund that is not settled only
# ten minutes after the decision.
WHERE_LOST: Final = {"payment_refunds": "state = 'settled'", "scans": "result = 'accepted'"}


KEYS: Final = {
    "events": "event_id",
    "sales": "event_id",
    "event_seating": "event_id",
    "event_totals": "event_id",
    "event_conversions": "event_id",
    "waiting_rooms": "event_id",
    "idempotency_keys": "key",
}
UNSEEN: Final = {  # what docs/proof.md says of whole rows
    ("idempotency_keys", "lost"),
    ("idempotency_keys", "all lost"),
    ("idempotency_keys", "twice"),
    ("event_seating", "twice"),  # of an event that there is not
    ("event_totals", "twice"),  # the same, unless it sums up something
    ("event_conversions", "twice"),  # the same
    ("event_minutes", "lost"),  # the oldest ones are deleted
    ("event_minutes", "all lost"),
}


class Column(NamedTuple):
    """A column of a table of events."""

    table: str
    name: str
    type: str
    nullable: bool


def uncompared() -> dict[tuple[str, str], str]:
    """Return what docs/proof.md says about columns that are not compared: why."""
    _, section = PROOF.split("\n## What is not compared\n")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section.split("\n## ")[0], re.MULTILINE)
    return {
        (table, column): why for table, columns, why in rows for column in re.findall(r"`(\w+)`", columns)
    }


async def columns_of_events(connection: Connection) -> list[Column]:
    """Return the columns of every table that belongs to an event."""
    rows = await connection.fetch("""
        SELECT tables.relname, columns.attname, format_type(columns.atttypid, NULL), NOT columns.attnotnull
        FROM pg_attribute AS columns
        INNER JOIN pg_class AS tables ON tables.oid = columns.attrelid AND tables.relkind = 'r'
        WHERE tables.relnamespace = 'public'::regnamespace AND columns.attnum > 0 AND NOT columns.attisdropped
            AND EXISTS (
                SELECT FROM pg_attribute AS key WHERE key.attrelid = tables.oid AND key.attname = 'event_id'
            )
        ORDER BY tables.relname, columns.attnum
    """)
    return [Column(*row) for row in rows]


async def forget_constraints(connection: Connection) -> None:
    """Drop the constraints: the audit must detect what they forbid."""
    for table, name in await connection.fetch("""
        SELECT conrelid::regclass::text, conname
        FROM pg_constraint
        WHERE
            connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u')
            AND conrelid::regclass::text !~ '^procrastinate'
    """):
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name} CASCADE")
    for (name,) in await connection.fetch(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname ~ '_uq$'"
    ):
        await connection.execute(f"DROP INDEX {name}")


def corruptions(column: Column, row: Record) -> Iterator[str]:
    """Yield what the column of a row could be changed to, in SQL."""
    value = row[column.name]
    if states := VALID.get((column.table, column.name)):
        yield from [f"'{state}'" for state in states.split() if state != value]
    elif value is None:
        yield SOME[column.type]
    else:
        yield OTHER_OF.get(column[:2], OTHER[column.type]).format(column.name)
    if value is not None and column.nullable:
        yield "NULL"


async def unseen(connection: Connection, event_id: UUID | None, statement: str, ctid: object) -> bool:
    """Return whether nobody sees what a statement does to a row ($1)."""
    change = connection.transaction()
    await change.start()
    try:
        await connection.execute(statement, ctid)
        return not found(await examine(connection, event_id))
    finally:
        await change.rollback()


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        opened.clock.now = datetime.now(UTC) - timedelta(
            minutes=10
        )  # the checkout is done with what was paid
        yield opened


async def wait_and_hold(desk: SalesDesk) -> None:
    """Create an offer that uses a returned ticket, a declined offer, and an extended hold."""
    starts_at = desk.clock() + timedelta(days=30)
    lasting = Conditions(hold_seconds=3_600)  # longer than any test takes
    event = await desk.event(
        sold_under(lasting, capacity=1), starts_at=starts_at, ends_at=starts_at + timedelta(hours=3)
    )
    (type_id,) = (await desk.types(event)).values()
    holder = await desk.book(event, 1)
    waits = new_id()
    declined = JoinWaitlist(event.event_id, new_id(), type_id, 1)
    entry_id = entry_of(await desk.engine.submit(declined))
    await desk.engine.submit(
        ReturnTickets(event.event_id, holder.booking_id, holder.buyer_id, (holder.tickets[0].ticket_id,))
    )
    await desk.engine.submit(LeaveWaitlist(event.event_id, entry_id, declined.buyer_id))
    await desk.engine.submit(JoinWaitlist(event.event_id, waits, type_id, 1, "waits", b"so much"))
    other = await desk.event(starts_at=starts_at, ends_at=starts_at + timedelta(hours=3))
    (type_id,) = (await desk.types(other)).values()
    held = booking(
        await desk.engine.submit(PlaceBooking(other.event_id, new_id(), (BookingLine(type_id, 2),), 3_600))
    )
    await desk.engine.submit(ExtendHold(other.event_id, held.booking_id, held.buyer_id))


async def pass_on(desk: SalesDesk) -> None:
    """Pass a ticket on and on, offer another one, and end offers in each way."""
    starts_at = desk.clock() + timedelta(days=30)
    event = await desk.event(
        sold_under(Conditions("door"), capacity=10),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=3),
    )
    booked = await desk.book(event, 3, key="passed on", fingerprint=b"three")
    receivers = [new_id(), new_id()]

    async def offer(place: int, giver_id: UUID) -> UUID:
        transfer_id = new_id()
        ticket, address = booked.tickets[place], "ada@evently.example"
        await desk.engine.submit(
            OfferTransfer(
                event.event_id, booked.booking_id, ticket.ticket_id, transfer_id, giver_id, address, starts_at
            )
        )
        return transfer_id

    giver_id = booked.buyer_id
    for receiver_id in receivers:
        transfer_id = await offer(0, giver_id)
        outcome = await desk.engine.submit(
            AcceptTransfer(
                event.event_id,
                booked.booking_id,
                transfer_id,
                receiver_id,
                "ada@evently.example",
                booked.tickets[0].ticket_type_id,
                starts_at,
            )
        )
        assert isinstance(outcome, Transferred), outcome
        giver_id = receiver_id
    await desk.engine.submit(
        DeclineTransfer(event.event_id, await offer(1, booked.buyer_id), "ada@evently.example")
    )
    await desk.engine.submit(
        WithdrawTransfer(event.event_id, await offer(1, booked.buyer_id), booked.buyer_id)
    )
    await desk.engine.submit(
        AcceptTransfer(
            event.event_id,
            booked.booking_id,
            await offer(1, booked.buyer_id),
            receivers[0],
            "ada@evently.example",
            booked.tickets[1].ticket_type_id,
            starts_at,
        )
    )
    ticket_id = booked.tickets[1].ticket_id
    assert (
        await desk.engine.submit(GiveBackTicket(event.event_id, booked.booking_id, ticket_id, receivers[0]))
        == Done()
    )
    await offer(2, booked.buyer_id)


async def check_in(desk: SalesDesk) -> None:
    """Check tickets in, out, in again; undo a scan; refuse some."""
    starts_at = desk.clock() + timedelta(days=30)
    event = await desk.event(starts_at=starts_at, ends_at=starts_at + timedelta(hours=3))
    sold = await desk.book(event, 4)

    async def scan(number: int, direction: Direction = "in") -> UUID:
        ticket, scan_id = sold.tickets[number], new_id()
        outcome = await desk.engine.submit(
            ScanTicket(
                event.event_id,
                scan_id,
                ticket.ticket_id,
                ticket.secret,
                direction,
                new_id(),
                desk.clock(),
                reentry=True,
            )
        )
        assert isinstance(outcome, Scanned)
        return scan_id

    await scan(0)
    await scan(0)  # refused
    await scan(1)
    await scan(1, "out")
    undone = [await scan(1), await scan(2)]
    for scan_id in undone:
        await desk.engine.submit(UndoScan(event.event_id, scan_id, new_id(), "another row"))


async def queue_up(desk: SalesDesk) -> None:
    """Put waiting rooms before two sales, with a public value and without; admit people, who book."""
    for source in ("", "the number of a notary"):
        event = await desk.event(
            starts_at=desk.clock() + timedelta(days=30), ends_at=desk.clock() + timedelta(days=31)
        )
        sale = await find_sale(desk.db, event.event_id)
        await desk.change(ChangeSale(event.event_id, desk.clock() + timedelta(minutes=2), sale.off_sale_at))
        async with desk.db.transaction() as tx:
            terms = WaitingRoomTerms(opens_minutes_before=1, per_minute=6_000, public_source=source)
            await put_room(tx, event.event_id, terms, desk.clock())
        rooms = WaitingRooms(desk.db, desk.engine, b"a secret of the tests", desk.clock)
        desk.clock.move(minutes=1)
        listed = [await rooms.enter(event.event_id, new_id()) for _ in range(3)]
        desk.clock.move(minutes=1)
        rooms.forget_room(event.event_id)
        await rooms.find_room(event.event_id)
        if source:
            async with desk.db.transaction() as tx:
                await put_public_value(tx, event.event_id, "31", desk.clock())
        late = await rooms.enter(event.event_id, new_id())
        desk.clock.move(milliseconds=35)
        rooms.forget_room(event.event_id)
        now = await rooms.get_room(event.event_id)
        places = [await rooms.find_place(entry, now) for entry in (*listed, late)]
        assert sorted(place.state for place in places) == ["admitted"] * 3 + ["waiting"]
        (type_id,) = (await desk.types(event)).values()
        line = BookingLine(type_id, 1)
        booked = PlaceBooking(event.event_id, listed[0].person_id, (line,), admitted=True)
        booking(await desk.engine.submit(booked))


async def everything(desk: SalesDesk) -> None:
    """Do everything that can happen to an event, with several events."""
    await bustle(desk)
    await wait_and_hold(desk)
    await pass_on(desk)
    await check_in(desk)
    await queue_up(desk)
    desk.clock.move(minutes=5)
    event = await trade(desk)
    await desk.cancel(await desk.book(event, 1, via="poster"))
    await deliver(desk.db, desk.clock)


async def test_every_column_is_compared_or_said_not_to_be(
    db: Database, desk: SalesDesk, *, prove: bool
) -> None:
    """Each change alone: another value, none instead of one, one instead of none.

    Of one row of each kind, or (--prove) of every row.
    """
    await everything(desk)
    said, missed, tried = uncompared(), list[str](), set[tuple[str, str]]()
    async with db.transaction(None) as tx:
        assert found(await examine(tx)) == {}
        await forget_constraints(tx)
        for column in await columns_of_events(tx):
            if column[:2] in said:
                continue
            where = WHERE.get(column[:2], "true")
            seen = set[Any]()
            for row in await tx.fetch(f"SELECT ctid, * FROM {column.table} WHERE {where} ORDER BY ctid"):
                kind = row[column.name] if column[:2] in VALID else row[column.name] is None
                if kind in seen and not prove:
                    continue
                seen.add(kind)
                for to in corruptions(column, row):
                    tried.add(column[:2])
                    event_id = None if column.name == "event_id" else row["event_id"]
                    if await unseen(
                        tx,
                        event_id,
                        f"UPDATE {column.table} SET {column.name} = {to} WHERE ctid = $1",
                        row["ctid"],
                    ):
                        missed.append(f"{column.table}.{column.name} = {to} of {dict(row)}")
        every = {column[:2] for column in await columns_of_events(tx)}
    assert not missed, "nobody has seen\n" + "\n".join(missed)
    assert every - tried - said.keys() == set(), "there is no row to try it with"
    assert said.keys() - every == set(), "docs/proof.md names what is not there"


async def test_no_row_is_lost_and_none_is_there_twice(db: Database, desk: SalesDesk) -> None:
    """Delete a row of each table, copy it under another key, or delete all rows of its event."""
    await everything(desk)
    missed = list[str]()
    async with db.transaction(None) as tx:
        await forget_constraints(tx)
        columns = await columns_of_events(tx)
        for table in sorted(
            {column.table for column in columns}
            - {"notifications", "attendee_names", "check_in_settings", "scanners", "rehearsals", "sandboxes"}
            - {"booking_references", "waiting_room_paces", "journal_files"}
            - {"questions", "question_wordings", "question_answers"}
        ):
            mine = [column for column in columns if column.table == table]
            where = WHERE_LOST.get(table, "true")
            row = await tx.fetchrow(f"SELECT ctid, * FROM {table} WHERE {where} ORDER BY ctid DESC LIMIT 1")
            assert row is not None, f"nothing wrote a row of {table}"
            key = next(
                (column for column in mine if column.name == KEYS.get(table)), mine[1]
            )  # the first is event_id
            copy = ", ".join(
                ANOTHER_KEY[each.type].format(each.name) if each is key else each.name for each in mine
            )
            for what, statement in {
                "lost": f"DELETE FROM {table} WHERE ctid = $1",
                "twice": f"INSERT INTO {table} SELECT {copy} FROM {table} WHERE ctid = $1",
                "all lost": (
                    f"DELETE FROM {table} WHERE event_id = (SELECT event_id FROM {table} WHERE ctid = $1)"
                ),
            }.items():
                if (table, what) not in UNSEEN and await unseen(tx, None, statement, row["ctid"]):
                    missed.append(f"{table}: {what}: {dict(row)}")
    assert not missed, "nobody has seen\n" + "\n".join(missed)
