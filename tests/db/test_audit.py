"""The audit: nothing is found after whatever may happen, and each planted corruption is."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import pytest
import pytest_asyncio
from rich.console import Console

from evently.audit import EXAMPLES_MAX, TITLES, Finding, audit, comparison, inspect, show
from evently.catalogue import Event
from evently.db import Database, DatabaseOptions
from evently.kit.errors import Refused
from evently.kit.ids import new_id, show_id
from evently.reactions import EFFECTS
from evently.reactions.relay import IDLE_SECONDS, Relay
from evently.sales.commands.sale_terms import WakeSale
from evently.sales.facts import chain
from tests.support.sales_desk import ManualClock, SalesDesk, open_sales_desk

HOLD = 600


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        opened.clock.now = datetime.now(UTC)  # the audit goes by the database's clock
        yield opened


async def put_on_sale(desk: SalesDesk) -> Event:
    starts_at = desk.clock.now + timedelta(days=30)
    return await desk.event(starts_at=starts_at, ends_at=starts_at + timedelta(hours=3))


async def deliver(db: Database, clock: ManualClock) -> None:
    relay = Relay(db, clock, EFFECTS)
    while await relay.run_once() != IDLE_SECONDS:
        pass
    await relay.retire()


async def trade(desk: SalesDesk) -> Event:
    """Do everything that can happen to a booking."""
    desk.clock.now -= timedelta(seconds=2 * HOLD)
    event = await put_on_sale(desk)
    await desk.book(event, 2, hold_seconds=HOLD)  # runs out
    desk.clock.move(seconds=2 * HOLD)
    await desk.engine.submit(WakeSale(event.event_id))
    await desk.book(event, 2, hold_seconds=HOLD)
    await desk.confirm(await desk.book(event, 3, hold_seconds=HOLD))
    await desk.cancel(await desk.book(event, 1, hold_seconds=HOLD))
    for key in ("first", "second"):
        await desk.book(event, 4, key=key, fingerprint=b"so many")
    whole, part = await desk.book(event, 2), await desk.book(event, 3)
    await desk.cancel(whole)
    await desk.cancel(part, part.tickets[1].ticket_id)
    await desk.book(event, 5)
    await deliver(desk.db, desk.clock)
    return event


def found(findings: Iterable[Finding]) -> dict[str, int]:
    return {finding.code: finding.count for finding in findings if finding.count}


async def test_nothing_is_found_in_an_empty_database(db: Database) -> None:
    findings = await inspect(db)
    assert [finding.code for finding in findings] == [
        "I1",
        "I2",
        "I4",
        "I5",
        "I6",
        "I7",
        "I8",
        "I9",
        "I10",
        "I11",
        "I12",
        "I13",
        "I14",
    ]
    assert found(findings) == {}


async def test_nothing_is_found_after_whatever_may_happen(db: Database, desk: SalesDesk) -> None:
    events = [await trade(desk) for _ in range(2)]
    await put_on_sale(desk)
    await deliver(db, desk.clock)
    states = await db.fetch(
        "SELECT state, count(*) AS bookings FROM bookings WHERE event_id = $1 GROUP BY state",
        events[0].event_id,
    )
    assert {row["state"]: row["bookings"] for row in states} == {
        "held": 1,
        "confirmed": 5,
        "cancelled": 2,
        "expired": 1,
    }
    findings = await inspect(db)
    assert {finding.code: finding.examples for finding in findings} == {code: [] for code in TITLES}


class Planted(NamedTuple):
    """A corruption, in SQL about the event $1, and where it must show."""

    what: str
    statements: tuple[str, ...]
    shows: frozenset[str]


def planted(what: str, shows: str, *statements: str) -> Planted:
    return Planted(what, statements, frozenset(shows.split()))


# Without a key
ONE = (
    "(SELECT booking_id FROM bookings WHERE event_id = $1 AND state = 'confirmed' ORDER BY "
    "booking_id DESC LIMIT 1)"
)
ONE_TICKET = (
    f"(SELECT ticket_id FROM tickets WHERE event_id = $1 AND booking_id = {ONE} ORDER BY ticket_id LIMIT 1)"
)
LAST = "(SELECT seq FROM sales WHERE event_id = $1)"

PLANTED = [
    planted(
        "a negative counter",
        "I1 I2 I11",
        "ALTER TABLE pools DROP CONSTRAINT pools_counters_ck",
        "UPDATE pools SET held = -1 WHERE event_id = $1",
    ),
    planted(
        "more sold than there is",
        "I1 I11",
        "ALTER TABLE pools DROP CONSTRAINT pools_oversold_ck",
        "UPDATE pools SET capacity = sold - 1 WHERE event_id = $1",
    ),
    planted("a unit counted twice", "I2 I11", "UPDATE pools SET sold = sold + 1 WHERE event_id = $1"),
    planted("a held unit forgotten", "I2 I11", "UPDATE pools SET held = held - 1 WHERE event_id = $1"),
    planted("units set aside for nobody", "I2 I11", "UPDATE pools SET set_aside = 7 WHERE event_id = $1"),
    planted("a pool that is gone", "I2 I11", "DELETE FROM pools WHERE event_id = $1"),
    planted(
        "a booking without a fact",
        "I4",
        "INSERT INTO bookings (event_id, booking_id, buyer_id, state, placed_at, expires_at, ended_at) "
        "VALUES ($1, gen_random_uuid(), gen_random_uuid(), 'expired', now(), now(), now())",
    ),
    planted(
        "a booking of somebody else",
        "I4",
        f"UPDATE bookings SET buyer_id = gen_random_uuid() WHERE event_id = $1 AND booking_id = {ONE}",
    ),
    planted(
        "a ticket without its booking",
        "I2 I5 I11",
        "ALTER TABLE tickets DROP CONSTRAINT tickets_booking_fk",
        f"UPDATE tickets SET booking_id = gen_random_uuid() WHERE event_id = $1 AND ticket_id = {ONE_TICKET}",
    ),
    planted(
        "a booking without its tickets",
        "I2 I5 I11",
        f"DELETE FROM tickets WHERE event_id = $1 AND booking_id = {ONE}",
    ),
    planted(
        "a ticket that outlives its booking",
        "I5 I11",
        "UPDATE tickets SET state = 'valid' WHERE event_id = $1 AND booking_id IN "
        "(SELECT booking_id FROM bookings WHERE event_id = $1 AND state = 'cancelled')",
    ),
    planted(
        "a ticket of no type",
        "I2 I5 I11",
        "UPDATE tickets SET ticket_type_id = gen_random_uuid() WHERE event_id = $1 AND "
        f"ticket_id = {ONE_TICKET}",
    ),
    planted(
        "a ticket with two owners",
        "I2 I5 I11",
        "ALTER TABLE tickets DROP CONSTRAINT tickets_pk CASCADE",
        "INSERT INTO tickets SELECT event_id, ticket_id, (SELECT booking_id FROM bookings WHERE "
        "event_id = $1 AND state = 'held'), "
        "ticket_type_id, price_minor, state, secret FROM tickets WHERE event_id = $1 AND "
        f"ticket_id = {ONE_TICKET}",
    ),
    planted(
        "a key with two bookings",
        "I6",
        "ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pk",
        "INSERT INTO idempotency_keys SELECT first.event_id, first.actor_id, first.key, "
        "second.fingerprint, second.booking_id, "
        "second.answer, 0 FROM idempotency_keys AS first, idempotency_keys AS second "
        "WHERE first.event_id = $1 AND first.key = 'first' AND second.event_id = $1 AND "
        "second.key = 'second'",
    ),
    planted(
        "a key with the answer to another",
        "I6",
        "UPDATE idempotency_keys SET answer = (SELECT answer FROM idempotency_keys WHERE "
        "event_id = $1 AND key = 'second') "
        "WHERE event_id = $1 AND key = 'first'",
    ),
    planted(
        "a key without a booking",
        "I6",
        "UPDATE idempotency_keys SET booking_id = gen_random_uuid() WHERE event_id = $1 AND key = 'first'",
    ),
    planted(
        "a key with an answer of fewer tickets",
        "I2 I5 I6 I11",
        "UPDATE tickets SET booking_id = (SELECT booking_id FROM idempotency_keys WHERE "
        "event_id = $1 AND key = 'first') "
        "WHERE event_id = $1 AND booking_id = (SELECT booking_id FROM bookings WHERE event_id = "
        "$1 AND state = 'held')",
    ),
    planted(
        "a hold that nobody took back",
        "I9 I11",
        "UPDATE bookings SET expires_at = now() - interval '6 seconds' WHERE event_id = $1 AND "
        "state = 'held'",
    ),
    planted(
        "a hold confirmed too late",
        "I9 I11",
        "UPDATE bookings SET expires_at = confirmed_at WHERE event_id = $1 AND state = "
        "'confirmed' AND expires_at IS NOT NULL",
    ),
    planted("a row taken out of the journal", "I11", "DELETE FROM journal WHERE event_id = $1 AND seq = 3"),
    planted(
        "the end cut off the journal",
        "I4 I8 I11 I12",
        f"DELETE FROM journal WHERE event_id = $1 AND seq = {LAST}",
    ),
    planted("a journal that is gone", "I4 I8 I11 I12", "DELETE FROM journal WHERE event_id = $1"),
    planted(
        "facts that were changed",
        "I11",
        "UPDATE journal SET facts = convert_to(replace(convert_from(facts, 'UTF8'), ',2500]', "
        "',1]'), 'UTF8') "
        f"WHERE event_id = $1 AND seq = {LAST}",
    ),
    planted(
        "facts that nobody knows",
        "I11",
        f'UPDATE journal SET facts = \'[{{"type": "Magic"}}]\' WHERE event_id = $1 AND seq = {LAST}',
    ),
    planted(
        "facts that cannot be",
        "I11",
        "UPDATE journal SET facts = (SELECT facts FROM journal WHERE event_id = $1 AND seq = "
        f"{LAST}) WHERE event_id = $1 AND seq = 3",
    ),
    planted(
        "a hash that was changed",
        "I11",
        "UPDATE journal SET hash = sha256(hash) WHERE event_id = $1 AND seq = 4",
    ),
    planted("another head", "I11", "UPDATE sales SET head_hash = sha256(head_hash) WHERE event_id = $1"),
    planted("a sale in another state", "I11", "UPDATE sales SET state = 'closed' WHERE event_id = $1"),
    planted(
        "another sale window",
        "I11",
        "UPDATE sales SET off_sale_at = off_sale_at + interval '1 day' WHERE event_id = $1",
    ),
    planted(
        "another price",
        "I11",
        f"UPDATE tickets SET price_minor = 1 WHERE event_id = $1 AND ticket_id = {ONE_TICKET}",
    ),
    planted(
        "another time",
        "I11",
        "UPDATE bookings SET placed_at = placed_at - interval '1 second' WHERE event_id = $1 "
        f"AND booking_id = {ONE}",
    ),
    planted(
        "a booking in another state",
        "I2 I11",
        f"UPDATE bookings SET state = 'expired', confirmed_at = NULL, expires_at = now(), ended_at = now() "
        f"WHERE event_id = $1 AND booking_id = {ONE}",
    ),
    planted(
        "a booking that was lost",
        "I2 I11",
        "CREATE TEMPORARY TABLE lost AS SELECT event_id, booking_id FROM bookings WHERE "
        "event_id = $1 AND booking_id = " + ONE,
        "DELETE FROM tickets USING lost WHERE tickets.event_id = lost.event_id AND "
        "tickets.booking_id = lost.booking_id",
        "DELETE FROM bookings USING lost WHERE bookings.event_id = lost.event_id AND "
        "bookings.booking_id = lost.booking_id",
    ),
    planted(
        "a ticket type that draws on another pool",
        "I2 I11",
        "UPDATE ticket_types SET pool_ids = ARRAY[gen_random_uuid()] WHERE event_id = $1",
    ),
    planted(
        "a ticket type on sale again", "I11", "UPDATE ticket_types SET retired = true WHERE event_id = $1"
    ),
    planted(
        "a booking counted twice",
        "I12",
        "UPDATE event_totals SET bookings = bookings + 1 WHERE event_id = $1",
    ),
    planted(
        "an amount that is wrong by one",
        "I12",
        "UPDATE event_totals SET cancelled_minor = cancelled_minor - 1 WHERE event_id = $1",
    ),
    planted(
        "a quarter of an hour that is wrong",
        "I12",
        "UPDATE event_quarters SET tickets = tickets - 1 WHERE event_id = $1",
    ),
    planted("a quarter of an hour that is gone", "I12", "DELETE FROM event_quarters WHERE event_id = $1"),
    planted(
        "a quarter of an hour too many",
        "I12",
        "INSERT INTO event_quarters SELECT event_id, quarter_at - interval '1 day', bookings, "
        "tickets, amount_minor, cancelled_bookings, "
        "cancelled_tickets, cancelled_minor FROM event_quarters WHERE event_id = $1",
    ),
    planted(
        "a minute that is wrong", "I12", "UPDATE event_minutes SET tickets = tickets + 1 WHERE event_id = $1"
    ),
    planted(
        "a minute too many",
        "I12",
        "INSERT INTO event_minutes SELECT event_id, minute_at + interval '1 day', 1 FROM event_minutes "
        "WHERE event_id = $1",
    ),
    planted(
        "a hold that was never there",
        "I12",
        "INSERT INTO event_conversions VALUES ($1, 99, 0, 0, 0, 0, 0, 0) "
        "ON CONFLICT (event_id) DO UPDATE SET holds = 99",
    ),
    planted(
        "a source that nobody named",
        "I12",
        "INSERT INTO event_sources VALUES ($1, 'poster', 1, 0, 0, 0, 0, 0, 0)",
    ),
    planted("totals that are gone", "I12", "DELETE FROM event_totals WHERE event_id = $1"),
    planted(
        "facts counted and not delivered",
        "I12",
        f"UPDATE journal SET delivered_at = NULL WHERE event_id = $1 AND seq = {LAST}",
    ),
    planted(
        "facts overtaken by later ones",
        "I12",
        "UPDATE journal SET delivered_at = NULL WHERE event_id = $1 AND seq = 2",
    ),
    planted(
        "facts delivered before earlier ones",
        "I12",
        "UPDATE journal SET delivered_at = delivered_at - interval '6 seconds' WHERE event_id = "
        f"$1 AND seq = {LAST}",
    ),
]


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.what)
async def test_a_planted_corruption_is_found(db: Database, desk: SalesDesk, case: Planted) -> None:
    event, other = await trade(desk), await trade(desk)
    async with db.transaction() as tx:
        for statement in case.statements:
            await tx.execute(statement, *([event.event_id] if "$1" in statement else []))
    findings = await inspect(db)
    assert found(findings).keys() == case.shows, [finding.as_dict() for finding in findings if finding.count]
    for finding in findings:
        assert len(finding.examples) == min(finding.count, EXAMPLES_MAX)
        assert all(example.startswith(show_id("evt", event.event_id)) for example in finding.examples)
    assert found(await inspect(db, event.event_id)) == found(findings)
    assert found(await inspect(db, other.event_id)) == {}


@pytest.mark.parametrize(
    ("told", "instead", "code", "shows"),
    [
        (rb",2500\]", b",1]", "I11", "was sold for 1, not 2500"),
        (rb'"buyer_id":"[^"]*"', f'"buyer_id":"{new_id()}"'.encode(), "I4", "requested it"),
        (rb'"tickets":\[\["[^"]*"', f'"tickets":[["{new_id()}"'.encode(), "I11", "is only in the journal"),
    ],
    ids=["price", "buyer", "ticket"],
)
async def test_history_that_was_rewritten_whole_is_found_by_the_rows(
    db: Database, desk: SalesDesk, told: bytes, instead: bytes, code: str, shows: str
) -> None:
    event = await trade(desk)
    rows = await db.fetch(
        "SELECT seq, facts, hash FROM journal WHERE event_id = $1 ORDER BY seq", event.event_id
    )
    forged = re.sub(told, instead, rows[-1]["facts"])
    assert forged != rows[-1]["facts"]
    head = chain(rows[-2]["hash"], forged)
    async with db.transaction() as tx:
        await tx.execute(
            "UPDATE journal SET facts = $2, hash = $3 WHERE event_id = $1 AND seq = $4",
            event.event_id,
            forged,
            head,
            len(rows),
        )
        await tx.execute("UPDATE sales SET head_hash = $2 WHERE event_id = $1", event.event_id, head)
    findings = {finding.code: finding for finding in await inspect(db)}
    assert found(findings.values()).keys() == {code}
    assert any(shows in example for example in findings[code].examples)


@pytest.mark.parametrize(("seconds_ago", "shows"), [(1, {}), (6, {"I9": 3})])
async def test_a_hold_has_a_few_seconds_grace(
    db: Database, desk: SalesDesk, seconds_ago: int, shows: dict[str, int]
) -> None:
    desk.clock.move(seconds=-seconds_ago - 10)
    event = await put_on_sale(desk)
    await desk.book_many(event, 3, hold_seconds=10)
    assert found(await inspect(db)) == shows


@pytest.mark.parametrize("column", ["placed_at", "expires_at", "confirmed_at", "ended_at"])
async def test_a_moment_of_a_booking_that_was_changed(db: Database, desk: SalesDesk, column: str) -> None:
    event = await trade(desk)
    async with db.transaction() as tx:
        await tx.execute(
            f"UPDATE bookings SET {column} = {column} - interval '1 microsecond' WHERE event_id = $1",
            event.event_id,
        )
    findings = found(await inspect(db))
    assert findings["I11"] == await db.fetch_value(
        f"SELECT count({column}) FROM bookings WHERE event_id = $1", event.event_id
    )


@pytest.mark.parametrize("followed_max", [1, 3, 5])
async def test_a_large_event_is_looked_at_in_parts(
    db: Database, desk: SalesDesk, monkeypatch: pytest.MonkeyPatch, followed_max: int
) -> None:
    monkeypatch.setattr(comparison, "FOLLOWED_MAX", followed_max)
    event, other = await trade(desk), await trade(desk)
    assert found(await inspect(db)) == {}
    async with db.transaction() as tx:
        await tx.execute(
            "UPDATE bookings SET buyer_id = gen_random_uuid() WHERE event_id = $1", event.event_id
        )
        await tx.execute(
            "UPDATE tickets SET price_minor = 1 WHERE event_id = $1 AND state = 'valid'", other.event_id
        )
        await tx.execute("UPDATE event_totals SET tickets = tickets + 1")
    in_parts = found(await inspect(db))
    monkeypatch.undo()
    assert in_parts == found(await inspect(db))
    assert in_parts["I4"] == await db.fetch_value(
        "SELECT count(*) FROM bookings WHERE event_id = $1", event.event_id
    )
    assert in_parts["I12"] == 2


async def test_facts_have_a_minute_to_be_delivered(db: Database, desk: SalesDesk) -> None:
    event = await put_on_sale(desk)
    await desk.book_many(event, 5)
    assert found(await inspect(db)) == {}
    desk.clock.now -= timedelta(minutes=5)
    late = await put_on_sale(desk)
    await desk.book_many(late, 5)
    rows = await db.fetch_value("SELECT count(*) FROM journal WHERE event_id = $1", late.event_id)
    findings = await inspect(db)
    assert found(findings) == {"I12": rows}
    desk.clock.move(minutes=5)
    await deliver(db, desk.clock)
    assert found(await inspect(db)) == {}


async def test_it_finds_nothing_while_tickets_are_being_sold(db: Database, desk: SalesDesk) -> None:
    """Snapshots during selling, counting and delivering are clean, because each sees one instant."""
    events = [await put_on_sale(desk) for _ in range(3)]
    relay = Relay(db, desk.clock, EFFECTS)
    ended = asyncio.Event()

    async def relay_on() -> None:
        while not ended.is_set():
            await relay.run_once()

    async def audit_on() -> int:
        times = 0
        while not ended.is_set():
            assert found(await inspect(db)) == {}
            times += 1
        return times

    relaying, auditing = asyncio.create_task(relay_on()), asyncio.create_task(audit_on())
    for _ in range(10):
        booked = [booking for event in events for booking in await desk.book_many(event, 10, 2)]
        await asyncio.gather(*[desk.cancel(booking) for booking in booked[::3]])
    ended.set()
    await relaying
    await relay.retire()
    assert await auditing >= 3
    await deliver(db, desk.clock)
    assert found(await inspect(db)) == {}


async def test_the_command_opens_the_database_itself(
    database_url: str, db: Database, desk: SalesDesk
) -> None:
    event = await trade(desk)
    async with db.transaction() as tx:
        await tx.execute(
            "UPDATE event_totals SET bookings = bookings + 1 WHERE event_id = $1", event.event_id
        )
    findings = await audit(DatabaseOptions(database_url), show_id("evt", event.event_id))
    assert found(findings) == {"I12": 1}
    for unknown in ("evt_nonsense", show_id("evt", new_id())):
        with pytest.raises(Refused):
            await audit(DatabaseOptions(database_url), unknown)

    terminal = Console(file=io.StringIO(), width=200)
    terminal.print(show(findings))
    assert isinstance(terminal.file, io.StringIO)
    shown = terminal.file.getvalue()
    assert all(title in shown for title in TITLES.values())
    assert show_id("evt", event.event_id) in shown
    told = msgspec.json.decode(msgspec.json.encode([finding.as_dict() for finding in findings]))
    assert {each["code"]: each["count"] for each in told} == {code: int(code == "I12") for code in TITLES}
