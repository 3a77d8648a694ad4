"""Waitlists longer than a batch loads are served in order at the same cost; estimates."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest_asyncio

from evently.catalogue import Event
from evently.db import Database
from evently.kit.ids import new_id
from evently.reactions.tasks import serve_waitlists
from evently.sales import Engine
from evently.sales.batches import process
from evently.sales.commands.bookings import CancelBooking
from evently.sales.commands.sale_terms import (
    CancelSale,
    ChangeSale,
    PutConditions,
    PutPool,
    RetireTicketType,
    WakeSale,
)
from evently.sales.commands.waitlist import JoinWaitlist, LeaveWaitlist
from evently.sales.loading import load_waitlists
from evently.sales.nouns import WaitlistEntry
from evently.sales.outcomes import Listed
from evently.sales.reads import WaitlistPosition, WaitlistPositions, read_sale
from evently.sales.rules.state import WAITLIST_KNOWN_MAX
from evently.sales.terms import Conditions, PoolTerms
from tests.support.catalogue import sale_terms
from tests.support.row_checks import check_rows
from tests.support.sales_desk import SalesDesk, open_sales_desk, until
from tests.support.selling import all_at_once, open_engine, place, pools, tally
from tests.support.stored import check_stored

WAITING: Final = 3 * WAITLIST_KNOWN_MAX + 20


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    """A sales desk whose rows are checked in the end."""
    async with open_sales_desk(db) as opened:
        yield opened
    await check_stored(db)
    await check_rows(db)


@pytest_asyncio.fixture
async def both(desk: SalesDesk, database_url: str) -> AsyncIterator[list[Engine]]:
    """The desk's engine and another process's."""
    async with open_engine(database_url, desk.clock) as other:
        yield [desk.engine, other]


async def long_line(
    desk: SalesDesk, engines: list[Engine], capacity: int, limit: int | None = None
) -> tuple[Event, list[WaitlistEntry]]:
    """Return an event whose sale has not begun, and its waiting entries, for one, two and one units."""
    event = await desk.event(sale_terms(capacity=capacity, per_buyer_max=limit))
    await desk.change(PutConditions(event.event_id, Conditions(payment="online")))
    await desk.change(
        ChangeSale(event.event_id, desk.clock() + timedelta(hours=1), desk.clock() + timedelta(hours=9))
    )
    (type_id,) = (await desk.types(event)).values()
    joined = await all_at_once(
        engines,
        [JoinWaitlist(event.event_id, new_id(), type_id, 1 + each % 3 % 2) for each in range(WAITING)],
    )
    entries = [outcome.entry for outcome in joined if isinstance(outcome, Listed)]
    assert len(entries) == WAITING
    return event, sorted(entries, key=lambda entry: (entry.joined_seq, entry.entry_id))


async def states(desk: SalesDesk, event: Event) -> list[str]:
    """Return the states of the entries in line."""
    rows = await desk.db.fetch(
        "SELECT state FROM waitlist_entries WHERE event_id = $1 ORDER BY joined_seq, entry_id", event.event_id
    )
    return [row["state"] for row in rows]


async def test_a_batch_knows_the_first_and_counts_the_others(desk: SalesDesk, both: list[Engine]) -> None:
    event, entries = await long_line(desk, both, 10)
    async with desk.db.snapshot() as snapshot:
        sale = await read_sale(snapshot, event.event_id)
        assert not sale.waitlists, "reads do not need them"
        await load_waitlists(snapshot, {event.event_id: sale})
    (line,) = sale.waitlists.values()
    assert line.counts == Counter(entry.quantity for entry in entries)
    for quantity, firsts in line.firsts.items():
        assert (
            list(firsts.values())
            == [entry for entry in entries if entry.quantity == quantity][:WAITLIST_KNOWN_MAX]
        )


async def test_all_are_served_at_the_opening_and_nobody_comes_between(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, entries = await long_line(desk, both, 300, limit=2)
    (type_id,) = (await desk.types(event)).values()
    desk.clock.move(hours=1)
    wanted = sum(entry.quantity for entry in entries)
    wishes = [place(event, type_id, key=f"k{number}") for number in range(150)]
    assert tally(await all_at_once(both, wishes))["held"] <= 300 - wanted

    async def all_are_served() -> bool:
        return set(await states(desk, event)) == {"offered"}

    await until(all_are_served)
    more = tally(await all_at_once(both, [place(event, type_id, key=f"l{number}") for number in range(150)]))
    assert (await pools(desk.db, event))["Admission"].held == 300
    assert more["sold-out"] > 0


async def test_who_is_not_served_for_want_of_room_is_behind_those_who_are(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, entries = await long_line(desk, both, 150)
    desk.clock.move(hours=1)
    await both[1].submit(WakeSale(event.event_id))

    async def nothing_is_left() -> bool:
        return (await pools(desk.db, event))["Admission"].held == 150

    await until(nothing_is_left)
    served = [
        (entry.quantity, state == "offered")
        for entry, state in zip(entries, await states(desk, event), strict=True)
    ]
    for quantity in (1, 2):
        alike = [offered for each, offered in served if each == quantity]
        assert alike == sorted(alike, reverse=True), "the last unit may pass over a pair, and nobody else"
    assert sum(each for each, offered in served if offered) == 150


async def test_a_process_that_dies_in_the_middle_leaves_nobody_out_and_lets_nobody_in(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, entries = await long_line(desk, both, 300)
    (type_id,) = (await desk.types(event)).values()
    desk.clock.move(hours=1)
    async with desk.db.transaction() as tx:  # one batch, and nobody to give the event another one
        (work,), _ = await process(tx, [WakeSale(event.event_id)], {}, desk.clock, new_id)
    assert work.batch.unserved
    assert set(await states(desk, event)) == {"offered", "waiting"}
    admission = (await pools(desk.db, event))["Admission"]
    wanted = sum(entry.quantity for entry in entries)
    assert (admission.held + admission.set_aside, admission.held < wanted) == (wanted, True)
    wishes = [place(event, type_id, key=f"k{number}") for number in range(150)]
    assert tally(await all_at_once(both, wishes)) == {"held": 300 - wanted, "sold-out": 150 - (300 - wanted)}

    async def all_are_served() -> bool:
        return set(await states(desk, event)) == {"offered"}

    await until(all_are_served)


async def test_whoever_leads_the_sweepers_first_looks_at_all_lines(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, _ = await long_line(desk, both, 300)
    desk.clock.move(hours=1)
    async with desk.db.transaction() as tx:
        await process(tx, [WakeSale(event.event_id)], {}, desk.clock, new_id)
    assert await serve_waitlists(desk.db, both[1], desk.clock() - timedelta(hours=1), desk.clock()) == 0, (
        "it was looked at since it opened"
    )
    assert await serve_waitlists(desk.db, both[1], None, desk.clock()) == 1

    async def all_are_served() -> bool:
        return set(await states(desk, event)) == {"offered"}

    await until(all_are_served)


async def test_more_room_serves_the_whole_line_in_the_organizers_transaction(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, _ = await long_line(desk, both, 1, limit=2)
    (type_id,) = (await desk.types(event)).values()
    desk.clock.move(hours=1)
    pool = (await pools(desk.db, event))["Admission"]
    await desk.change(PutPool(event.event_id, PoolTerms(pool.pool_id, pool.name, 300)))
    assert set(await states(desk, event)) == {"offered"}
    assert tally(await all_at_once(both, [place(event, type_id)]))["held"] == 1


async def test_whoever_is_far_behind_leaves_and_all_are_sent_home(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, entries = await long_line(desk, both, 1)
    behind = [LeaveWaitlist(event.event_id, entry.entry_id, entry.buyer_id) for entry in entries[-10:]]
    assert tally(await all_at_once(both, behind)) == {"withdrawn": 10}
    again = [JoinWaitlist(event.event_id, entry.buyer_id, entry.ticket_type_id, 1) for entry in entries[-11:]]
    assert tally(await all_at_once(both, again)) == {"waiting": 10, "already-waiting": 1}
    assert await gone(desk, event) == 10
    await desk.change(CancelSale(event.event_id))
    assert await gone(desk, event) == WAITING + 10


async def test_all_who_wait_for_a_retired_ticket_type_are_sent_home(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, entries = await long_line(desk, both, 1)
    type_id: UUID = entries[0].ticket_type_id
    await all_at_once(both, [RetireTicketType(event.event_id, type_id)] * 2)
    assert await gone(desk, event) == WAITING


async def gone(desk: SalesDesk, event: Event) -> int:
    """Return how many wait no longer."""
    return (await states(desk, event)).count("withdrawn")


# How long it takes


async def join(desk: SalesDesk, event: Event, quantity: int) -> WaitlistEntry:
    """Join the waitlist with a quantity."""
    (type_id,) = (await desk.types(event)).values()
    outcome = await desk.engine.submit(JoinWaitlist(event.event_id, new_id(), type_id, quantity))
    assert isinstance(outcome, Listed)
    return outcome.entry


async def stands(desk: SalesDesk, entry: WaitlistEntry) -> WaitlistPosition:
    """Return how an entry that waits stands now."""
    return await WaitlistPositions(desk.db, desk.clock).get_position(entry)


async def test_what_was_there_at_the_opening_says_nothing_of_what_will_fall_free(desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=20))
    opens_at = desk.clock() + timedelta(hours=1)
    await desk.change(ChangeSale(event.event_id, opens_at, opens_at + timedelta(days=9)))
    served = [await join(desk, event, 4) for _ in range(5)]
    entry = await join(desk, event, 1)
    assert await stands(desk, entry) == WaitlistPosition(6, 20, None, None), (
        "before the sale begins nothing is known"
    )
    desk.clock.move(hours=1)
    await desk.engine.submit(WakeSale(event.event_id))
    assert await stands(desk, entry) == WaitlistPosition(1, 0, None, None), "nothing has fallen free"
    behind = await join(desk, event, 2)
    desk.clock.move(minutes=30)
    (leaves,) = await desk.db.fetch(
        "SELECT booking_id, buyer_id FROM bookings WHERE entry_id = $1", served[0].entry_id
    )
    await desk.engine.submit(CancelBooking(event.event_id, leaves["booking_id"], leaves["buyer_id"], None))
    desk.clock.move(hours=5, minutes=30)
    await desk.engine.submit(
        WakeSale(event.event_id)
    )  # all offers have lapsed, those who waited were asked, and the rest is for everybody
    await desk.book_many(event, 19)
    last = await join(desk, event, 2)
    estimate = (await stands(desk, last)).estimate
    assert estimate is not None
    assert estimate.units_per_day == 12.0, "three units in six hours since the sale began, not twenty more"
    assert estimate.expected_at == desk.clock() + timedelta(hours=4)
    assert behind.joined_seq < last.joined_seq


async def test_a_group_is_told_that_others_may_be_asked_first(desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=8))
    booked = await desk.book_many(event, 8)
    first, group = await join(desk, event, 1), await join(desk, event, 3)
    desk.clock.move(hours=12)
    await desk.cancel(booked[0])
    desk.clock.move(hours=12)
    alone = (await stands(desk, group)).estimate
    assert alone is not None
    assert (alone.units_per_day, alone.expected_at) == (1.0, desk.clock() + timedelta(days=3))
    for _ in range(3):  # the first of them is offered what the first of all let lapse
        await join(desk, event, 1)
    await join(desk, event, 3)
    standing = await stands(desk, group)
    assert (standing.position, standing.units_ahead) == (1, 0)
    assert standing.estimate is not None
    assert standing.estimate.expected_at == desk.clock() + timedelta(days=5), (
        "two who wish for less may be asked before it"
    )
    assert (await stands(desk, first)).estimate is None, "who has an offer does not wait"
    desk.clock.move(days=40)
    assert (await stands(desk, group)).estimate is None, "nothing is offered when the sale has ended"


async def test_a_crowd_that_asks_where_it_stands_costs_a_look_a_second(desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=1))
    await desk.book(event, 1)
    entries = [await join(desk, event, 1 + number % 3) for number in range(30)]
    watch = [0.0]
    lines = WaitlistPositions(desk.db, desk.clock, lambda: watch[0])
    for _ in range(2):
        standings = await asyncio.gather(*[lines.get_position(entry) for entry in entries])
    for ahead, (entry, standing) in enumerate(zip(entries, standings, strict=True)):
        assert standing == WaitlistPosition(
            ahead + 1, sum(each.quantity for each in entries[:ahead]), None, None
        )
        assert standing == await stands(desk, entry)
    await desk.engine.submit(LeaveWaitlist(event.event_id, entries[0].entry_id, entries[0].buyer_id))
    assert (await lines.get_position(entries[5])).position == 6, "as it was a moment ago"
    newest = await join(desk, event, 1)
    assert (await lines.get_position(newest)).position == 30, "but whoever has just joined is in line"
    assert (await lines.get_position(entries[5])).position == 5
    await desk.engine.submit(LeaveWaitlist(event.event_id, entries[1].entry_id, entries[1].buyer_id))
    watch[0] = 1.0
    assert (await lines.get_position(entries[5])).position == 4
    assert await lines.get_position(entries[1]) == WaitlistPosition(None, None, None, None), (
        "who has left meanwhile"
    )
