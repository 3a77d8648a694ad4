"""The engine on real PostgreSQL: batches, keys, poison, the queue, the memory.

Two engines stand for two processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from msgspec.structs import replace
from structlog.testing import capture_logs
from structlog.typing import EventDict

from evently import sales
from evently.db import Database
from evently.kit.errors import Busy
from evently.kit.ids import new_id
from evently.organizing import NewPool, NewTicketType, SaleTerms
from evently.sales import Engine, carry_out
from evently.sales.commands import Command
from evently.sales.commands.bookings import CancelBooking, ConfirmBooking
from evently.sales.commands.sale_terms import PutPool, RescheduleEvent, RetireTicketType, WakeSale
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked, No
from evently.sales.terms import Conditions, PoolTerms
from tests.support.catalogue import sale_terms, until_somebody_waits
from tests.support.paying import sold_under
from tests.support.row_checks import check_rows
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.selling import held_up, one_batch, open_engine, place, pools, say, tally


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    """A sales desk whose rows are checked at the end."""
    async with open_sales_desk(db) as opened:
        yield opened
    await check_rows(db)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    """What is logged meanwhile."""
    with capture_logs() as captured:
        yield captured


@pytest_asyncio.fixture
async def other(desk: SalesDesk, database_url: str) -> AsyncIterator[Engine]:
    """Another process's engine."""
    async with open_engine(database_url, desk.clock) as engine:
        yield engine


# Batches ----------------------------------------------------------------------------------------------------


async def test_what_waits_for_a_batch_is_the_next_batch(desk: SalesDesk) -> None:
    event = await desk.event()
    regular = (await desk.types(event))["Regular"]
    before = (await sales.reads.find_sale(desk.db, event.event_id)).seq
    outcomes = await one_batch(desk.db, event, desk.engine, [place(event, regular) for _ in range(100)])
    assert tally(outcomes) == {"confirmed": 100}
    assert (await sales.reads.find_sale(desk.db, event.event_id)).seq == before + 1


async def test_a_batch_is_no_larger_than_allowed(db: Database) -> None:
    async with open_sales_desk(db, batch_commands_max=10) as desk:
        event = await desk.event()
        regular = (await desk.types(event))["Regular"]
        before = (await sales.reads.find_sale(db, event.event_id)).seq
        assert tally(
            await one_batch(db, event, desk.engine, [place(event, regular) for _ in range(100)])
        ) == {"confirmed": 100}
        made = (await sales.reads.find_sale(db, event.event_id)).seq - before
        assert made == 11, "nine joined the command that had waited for the lock"


async def test_the_number_of_statements_does_not_depend_on_the_number_of_commands(desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=10_000, per_buyer_max=5))
    regular = (await desk.types(event))["Regular"]
    booked = [await desk.book(event, 2) for _ in range(101)]
    statements: list[str] = []
    lane = desk.engine._lanes[hash(event.event_id) % 2]
    assert lane._connection is not None
    counts = []
    for some in (
        booked[:1],
        booked[1:2],
        booked[2:],
    ):  # the first time, the driver also asks for the types of new arguments
        commands = [place(event, regular, key=f"k{new_id()}") for _ in some]
        cancels = [
            CancelBooking(event.event_id, each.booking_id, each.buyer_id, None, (each.tickets[0].ticket_id,))
            for each in some
        ]
        with lane._connection.query_logger(lambda record: statements.append(record.query)):
            assert tally(await one_batch(desk.db, event, desk.engine, [*commands, *cancels])) == {
                "confirmed": 2 * len(some)
            }
        counts.append(len(statements))
        statements.clear()
    assert counts[1] == counts[2]


async def test_the_bookings_of_a_batch_are_whole(desk: SalesDesk) -> None:
    terms = SaleTerms(
        currency="EUR",
        pools=(NewPool("hall", 10), NewPool("balcony", 4)),
        ticket_types=(
            NewTicketType(name="floor", pools=("hall",)),
            NewTicketType(name="view", pools=("hall", "balcony")),
        ),
    )
    event = await desk.event(terms)
    types = await desk.types(event)
    outcomes = await one_batch(
        desk.db, event, desk.engine, [place(event, types["view"], 3), place(event, types["floor"], 4)]
    )
    for outcome in outcomes:
        assert isinstance(outcome, Booked)
        assert await sales.reads.get_booking(desk.db, outcome.booking.booking_id) == outcome.booking
    assert {name: pool.sold for name, pool in (await pools(desk.db, event)).items()} == {
        "hall": 7,
        "balcony": 3,
    }


# Keys -------------------------------------------------------------------------------------------------------


async def test_a_replay_writes(desk: SalesDesk, other: Engine) -> None:
    event = await desk.event()
    wish = place(event, (await desk.types(event))["Regular"], 2, key="k")
    first = await desk.engine.submit(wish)
    for number, engine in enumerate([desk.engine, other, other], start=1):
        again = await engine.submit(wish)
        assert again == replace(first, replayed=True)
        assert await desk.db.fetch_value("SELECT replays FROM idempotency_keys") == number


async def test_one_key_at_many_doors_books_once(desk: SalesDesk, other: Engine) -> None:
    event = await desk.event()
    regular = (await desk.types(event))["Regular"]
    wishes = [place(event, regular, 1 + number % 3, key=f"k{number}") for number in range(25)]
    outcomes = await asyncio.gather(
        *[engine.submit(wish) for wish in wishes for engine in (desk.engine, other) * 3]
    )
    assert tally(outcomes) == {"confirmed": 25, "confirmed again": 125}
    for number in range(25):
        assert len({outcome.booking.booking_id for outcome in outcomes[6 * number : 6 * number + 6]}) == 1  # type: ignore[union-attr]


async def test_a_key_is_bound_to_its_body(desk: SalesDesk, other: Engine) -> None:
    event = await desk.event()
    regular, buyer = (await desk.types(event))["Regular"], new_id()
    wishes = [place(event, regular, units, buyer, key="k") for units in (1, 2, 1, 2)]
    outcomes = await asyncio.gather(
        *[engine.submit(wish) for wish, engine in zip(wishes, [desk.engine, other] * 2, strict=True)]
    )
    assert tally(outcomes) == {"confirmed": 1, "confirmed again": 1, "key-reused": 2}
    assert await desk.db.fetch_value("SELECT count(*) FROM bookings") == 1


async def test_a_refused_key_may_succeed_later(desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=2))
    regular = (await desk.types(event))["Regular"]
    booked = await desk.book(event, 2)
    wish = place(event, regular, 2, key="k")
    assert say(await desk.engine.submit(wish)) == "sold-out"
    await desk.cancel(booked)
    assert say(await desk.engine.submit(wish)) == "confirmed"
    assert say(await desk.engine.submit(wish)) == "confirmed again"


# Poison -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "poison",
    [
        {"key": "NUL \0"},  # the server refuses it
        {"key": "\ud800"},  # the driver cannot send it
        {"key": "k" * 256},  # a constraint refuses it
        {"hold_seconds": 10**12},  # the rules cannot compute it
    ],
    ids=["server", "driver", "constraint", "rules"],
)
async def test_poison_hurts_nobody_else(
    desk: SalesDesk, poison: dict[str, Any], logs: list[EventDict]
) -> None:
    event = await desk.event()
    regular = (await desk.types(event))["Regular"]
    commands = [place(event, regular, key=f"k{number}") for number in range(40)]
    for position in (3, 17, 18):
        commands[position] = place(event, regular, **poison)
    outcomes = await one_batch(desk.db, event, desk.engine, commands)
    assert {position for position, outcome in enumerate(outcomes) if isinstance(outcome, Exception)} == {
        3,
        17,
        18,
    }
    assert not any(isinstance(outcome, No) for outcome in outcomes)
    assert [log["event"] for log in logs] == ["poison_command"] * 3
    assert await desk.db.fetch_value("SELECT count(*) FROM bookings") == 37
    assert say(await desk.engine.submit(place(event, regular))) == "confirmed"


async def test_the_constraint_guarantees(desk: SalesDesk) -> None:
    """With wrong rules, constraints still prevent overselling and duplicate numbers in the journal."""
    event = await desk.event()
    await desk.book(event)
    for lie, constraint in {
        "UPDATE pools SET sold = capacity + 1": "pools_oversold_ck",
        "UPDATE pools SET sold = -1": "pools_counters_ck",
        "INSERT INTO journal SELECT * FROM journal LIMIT 1": "journal_pk",
        "UPDATE bookings SET state = 'held'": "bookings_state_ck",
        "INSERT INTO bookings SELECT * FROM bookings": "bookings_pk",
    }.items():
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            async with desk.db.transaction() as tx:
                await tx.execute(lie)
        assert refused.value.constraint_name == constraint


# The queue --------------------------------------------------------------------------------------------------


async def test_a_full_queue_says_so_at_once(db: Database) -> None:
    async with open_sales_desk(db, lanes=1, queue_commands_max=5) as desk:
        event = await desk.event()
        regular = (await desk.types(event))["Regular"]
        async with held_up(db, event):
            taken = asyncio.create_task(desk.engine.submit(place(event, regular)))
            await until_somebody_waits(db)
            queued = [asyncio.create_task(desk.engine.submit(place(event, regular))) for _ in range(5)]
            await asyncio.sleep(0)  # let them queue
            for _ in range(3):
                with pytest.raises(Busy):
                    await desk.engine.submit(place(event, regular))
        assert tally(await asyncio.gather(taken, *queued)) == {"confirmed": 6}
        assert say(await desk.engine.submit(place(event, regular))) == "confirmed"


async def test_a_request_that_goes_away_takes_nothing_with_it(desk: SalesDesk) -> None:
    event = await desk.event()
    regular = (await desk.types(event))["Regular"]
    async with held_up(desk.db, event):
        gone = asyncio.create_task(desk.engine.submit(place(event, regular)))
        await until_somebody_waits(desk.db)
        waiting = [asyncio.create_task(desk.engine.submit(place(event, regular))) for _ in range(3)]
        await asyncio.sleep(0)  # let them queue
        gone.cancel()
        waiting[1].cancel()
    assert tally(await asyncio.gather(gone, *waiting, return_exceptions=True)) == {
        "confirmed": 2,
        "CancelledError": 2,
    }
    assert await desk.db.fetch_value("SELECT count(*) FROM bookings") == 4, (
        "what a lane has is carried out, whoever listens"
    )


# The memory -------------------------------------------------------------------------------------------------


async def test_sold_out_is_refused_without_the_database_and_only_for_so_long(desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=3))
    regular = (await desk.types(event))["Regular"]
    await desk.book(event, 2)
    async with held_up(desk.db, event):
        assert say(await desk.engine.submit(place(event, regular, 2))) == "sold-out"
        keyed = asyncio.create_task(desk.engine.submit(place(event, regular, 2, key="k")))
        await until_somebody_waits(desk.db)
        assert not keyed.done(), "it may be the retry of one that succeeded"
        age(desk.engine)
        unkeyed = asyncio.create_task(desk.engine.submit(place(event, regular, 2)))
        await asyncio.sleep(0)  # let it queue
        assert not unkeyed.done(), "what was true a quarter of a second ago proves nothing"
    assert tally(await asyncio.gather(keyed, unkeyed)) == {"sold-out": 2}


async def test_memory_never_grants(desk: SalesDesk, other: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.engine._glances, "_monotonic", lambda: 0.0)  # nothing gets too old meanwhile
    event = await desk.event(sale_terms(capacity=10))
    regular = (await desk.types(event))["Regular"]
    await desk.book(event)
    assert say(await other.submit(place(event, regular, 9))) == "confirmed"
    assert desk.engine.find_glance(event.event_id) is not None
    assert say(await desk.engine.submit(place(event, regular))) == "sold-out"


async def test_memory_knows_nothing_of_drafts_and_retired_types(desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=3))
    regular = (await desk.types(event))["Regular"]
    await carry_out_alone(desk, RetireTicketType(event.event_id, regular))
    assert regular not in (await desk.engine.get_glance(event.event_id)).available
    assert say(await desk.engine.submit(place(event, regular, 4))) == "unknown-ticket-type"
    draft = await desk.event(sale_terms(capacity=3), publish=False)
    await desk.engine.get_glance(draft.event_id)
    assert (
        say(await desk.engine.submit(place(draft, (await desk.types(draft))["Regular"], 4)))
        == "event-not-found"
    )


async def test_memory_refuses_nothing_that_a_due_hold_would_free(desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=3))
    regular = (await desk.types(event))["Regular"]
    await desk.book(event, 3, hold_seconds=60)
    desk.clock.move(seconds=60)
    assert (await desk.engine.get_glance(event.event_id)).available == {regular: 0}
    assert say(await desk.engine.submit(place(event, regular, 3))) == "confirmed"


async def test_whoever_looks_at_one_moment_reads_once(desk: SalesDesk) -> None:
    event = await desk.event()
    looks = await asyncio.gather(*[desk.engine.get_glance(event.event_id) for _ in range(50)])
    assert len({id(look) for look in looks}) == 1


async def test_memory_gives_way_to_another_process(desk: SalesDesk, other: Engine) -> None:
    event = await desk.event(sale_terms(capacity=100, per_buyer_max=50))
    regular = (await desk.types(event))["Regular"]
    await desk.book(event, 10)
    assert say(await other.submit(place(event, regular, 10))) == "confirmed"
    await desk.book(event, 10)
    await carry_out_alone(
        desk,
        PutPool(
            event.event_id, PoolTerms((await pools(desk.db, event))["Admission"].pool_id, "Admission", 35)
        ),
    )
    age(desk.engine)
    age(other)
    assert say(await other.submit(place(event, regular, 6))) == "sold-out"
    assert say(await desk.engine.submit(place(event, regular, 5))) == "confirmed"


@pytest.mark.parametrize("loaded", ["first after the move", "again after the move"])
async def test_every_process_knows_what_a_move_has_promised(
    desk: SalesDesk, other: Engine, loaded: str
) -> None:
    """Without the move, these tickets are cancelled too late for a refund."""
    strict = Conditions(payment="online", refund_windows=(), give_back_days=14)
    event = await desk.event(sold_under(strict))
    held, late = await desk.book(event, 2), await desk.book(event)
    for each in (held, late):
        paid = ConfirmBooking(event.event_id, each.booking_id, new_id(), each.total_minor())
        assert say(await desk.engine.submit(paid)) == "confirmed"
    if loaded == "again after the move":
        await other.submit(WakeSale(event.event_id))
    moved_to = event.starts_at + timedelta(days=30)
    await desk.change(RescheduleEvent(event.event_id, event.starts_at, moved_to, place_changed=False))

    async def give_back(booked: Booking) -> int:
        one = (booked.tickets[0].ticket_id,)
        buyer_id = booked.buyer_id
        command = CancelBooking(event.event_id, booked.booking_id, buyer_id, buyer_id, one, moved_to)
        outcome = await other.submit(command)
        assert isinstance(outcome, Booked), outcome
        return outcome.booking.refunded_minor

    assert await give_back(held) == held.tickets[0].total_minor()
    desk.clock.move(days=15)
    assert await give_back(late) == 0, "the fourteen days are over"


async def test_memory_gives_way_to_another_past(desk: SalesDesk, other: Engine) -> None:
    """After a failover, the remembered history may be lost, and another may have reached the same number."""
    event = await desk.event(sale_terms(capacity=10))
    regular = (await desk.types(event))["Regular"]
    head = dict((await desk.db.fetch("SELECT seq, head_hash, head_at FROM sales"))[0])
    await desk.book(event, 1)
    async with desk.db.transaction() as tx:  # the failover
        for table in ("ledger", "tickets", "bookings"):
            await tx.execute(f"DELETE FROM {table}")
        await tx.execute("DELETE FROM journal WHERE seq > $1", head["seq"])
        await tx.execute("UPDATE sales SET seq = $1, head_hash = $2, head_at = $3", *head.values())
        await tx.execute("UPDATE pools SET sold = 0")
    assert say(await other.submit(place(event, regular, 8))) == "confirmed"
    await desk.book(event, 2)
    assert (await pools(desk.db, event))["Admission"].sold == 10


async def test_memory_survives_holds_that_end_in_every_way(desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=10))
    regular = (await desk.types(event))["Regular"]
    confirmed, cancelled, _expired = [
        await desk.book(event, 2, hold_seconds=seconds) for seconds in (10, 20, 30)
    ]
    await desk.confirm(confirmed)
    await desk.cancel(cancelled)
    desk.clock.move(seconds=20)
    assert say(await desk.engine.submit(place(event, regular, 7, key="k"))) == "sold-out"
    desk.clock.move(seconds=10)
    assert say(await desk.engine.submit(place(event, regular, 8, key="k2"))) == "confirmed"


def age(engine: Engine) -> None:
    """Make an engine's glances older than their limit."""
    engine._glances.forget_all()


async def carry_out_alone(desk: SalesDesk, command: Command) -> None:
    async with desk.db.transaction() as tx:
        await carry_out(tx, command, desk.clock())
