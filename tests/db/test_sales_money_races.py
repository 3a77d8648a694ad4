"""Concurrent payments, refunds, promo codes and waitlist entries through two engines."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest_asyncio

from evently.catalogue import Event
from evently.db import Database
from evently.kit.ids import new_id
from evently.sales import Engine
from evently.sales.commands import Command
from evently.sales.commands.bookings import (
    BookingLine,
    CancelBooking,
    ConfirmBooking,
    ExtendHold,
    PlaceBooking,
    RecordCapture,
    RecordRefund,
    ReturnTickets,
)
from evently.sales.commands.sale_terms import ChangeSale, PutConditions, PutPool, PutPromoCode
from evently.sales.commands.waitlist import AcceptOffer, JoinWaitlist, LeaveWaitlist
from evently.sales.nouns import Booking, WaitlistEntry
from evently.sales.outcomes import Listed
from evently.sales.terms import Conditions, PoolTerms, PromoTerms
from tests.support.catalogue import sale_terms
from tests.support.row_checks import check_rows
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.selling import all_at_once, one_batch, open_engine, place, pools, tally
from tests.support.stored import check_stored

ONLINE: Final = Conditions(payment="online", hold_seconds=60, offer_seconds=30)


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    """A sales desk whose rows are checked in the end."""
    async with open_sales_desk(db, batch_commands_max=20) as opened:
        yield opened
    await check_stored(db)
    await check_rows(db)


@pytest_asyncio.fixture
async def both(desk: SalesDesk, database_url: str) -> AsyncIterator[list[Engine]]:
    """The desk's engine and another process's. Small batches make them meet often."""
    async with open_engine(database_url, desk.clock, batch_commands_max=20) as other:
        yield [desk.engine, other]


async def put_on_sale(
    desk: SalesDesk, capacity: int, conditions: Conditions | None = ONLINE, **ticket_type: Any
) -> tuple[Event, UUID]:
    event = await desk.event(sale_terms(capacity=capacity, **ticket_type))
    if conditions is not None:
        await desk.change(PutConditions(event.event_id, conditions))
    return event, (await desk.types(event))["Regular"]


def pay(held: Booking, payment_id: UUID | None = None) -> ConfirmBooking:
    return ConfirmBooking(held.event_id, held.booking_id, payment_id or new_id(), held.total_minor())


async def buy(desk: SalesDesk, event: Event, units: int = 1) -> Booking:
    held = await desk.book(event, units)
    outcome = await desk.engine.submit(pay(held))
    assert tally([outcome]) == {"confirmed": 1}
    return held


async def refunds(desk: SalesDesk, event: Event) -> list[tuple[UUID, UUID, int]]:
    rows = await desk.db.fetch(
        "SELECT refund_id, booking_id, amount_minor FROM refunds WHERE event_id = $1", event.event_id
    )
    return [(row["refund_id"], row["booking_id"], row["amount_minor"]) for row in rows]


# Holds


async def test_a_hold_is_paid_or_lost_never_both(desk: SalesDesk, both: list[Engine]) -> None:
    event, regular = await put_on_sale(desk, 40)
    holds = [await desk.book(event) for _ in range(40)]
    desk.clock.move(seconds=59)
    half: list[Command] = [pay(held) for held in holds[:20]]
    assert tally(await all_at_once(both, [*half, *[place(event, regular) for _ in range(20)]])) == {
        "confirmed": 20,
        "sold-out": 20,
    }
    desk.clock.move(seconds=1)
    rivals: list[Command] = [command for held in holds[20:] for command in (pay(held), place(event, regular))]
    assert tally(await all_at_once(both, rivals)) == {"hold-expired": 20, "held": 20}
    assert (await pools(desk.db, event))["Admission"].sold == 20


async def test_two_payments_of_one_hold_confirm_it_once(desk: SalesDesk, both: list[Engine]) -> None:
    event, _ = await put_on_sale(desk, 10)
    held = await desk.book(event, 2)
    outcomes = await all_at_once(both, [pay(held) for _ in range(20)])
    assert tally(outcomes) == {"confirmed": 1, "already-confirmed": 19}
    same = await buy(desk, event)
    payment_id = await desk.db.fetch_value(
        "SELECT payment_id FROM bookings WHERE booking_id = $1", same.booking_id
    )
    assert tally(await all_at_once(both, [pay(same, payment_id)] * 20)) == {"confirmed": 20}


async def test_a_hold_is_extended_once(desk: SalesDesk, both: list[Engine]) -> None:
    event, _ = await put_on_sale(desk, 10)
    held = await desk.book(event, 2)
    extend = ExtendHold(event.event_id, held.booking_id, held.buyer_id)
    assert tally(await all_at_once(both, [extend] * 20)) == {"held": 1, "already-extended": 19}


# Money


async def test_cancelling_at_once_pays_back_once(desk: SalesDesk, both: list[Engine]) -> None:
    event, _ = await put_on_sale(desk, 10)
    booked = await buy(desk, event, 4)
    whole = CancelBooking(event.event_id, booked.booking_id, booked.buyer_id, booked.buyer_id)
    single = [
        CancelBooking(
            event.event_id,
            booked.booking_id,
            booked.buyer_id,
            None,
            (ticket.ticket_id,),
            key=f"{ticket.ticket_id}",
        )
        for ticket in booked.tickets
    ]
    await all_at_once(both, [*single * 5, whole] * 2)
    assert sum(amount for *_, amount in await refunds(desk, event)) == booked.total_minor()


async def test_a_refund_is_settled_once_and_a_capture_counted_once(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, _ = await put_on_sale(desk, 10)
    booked = await desk.book(event, 2)
    payment_id = new_id()
    await desk.engine.submit(pay(booked, payment_id))
    assert tally(
        await all_at_once(both, [RecordCapture(event.event_id, booked.booking_id, payment_id)] * 20)
    ) == {"confirmed": 20}
    await desk.cancel(booked)
    ((refund_id, booking_id, amount),) = await refunds(desk, event)
    assert tally(await all_at_once(both, [RecordRefund(event.event_id, booking_id, refund_id)] * 20)) == {
        "cancelled": 20
    }
    moved = await desk.db.fetch(
        "SELECT debit, credit, amount_minor FROM ledger WHERE event_id = $1", event.event_id
    )
    assert [tuple(row) for row in moved].count(("gateway", "buyer", amount)) == 1
    assert [tuple(row) for row in moved].count(("refunds", "gateway", amount)) == 1


async def test_200_requests_do_not_pass_a_code_limit_by_one(desk: SalesDesk, both: list[Engine]) -> None:
    event, regular = await put_on_sale(desk, 1000)
    codes = {
        "USES": PromoTerms(new_id(), "USES", "percent", 1000, uses_max=7),
        "EACH": PromoTerms(new_id(), "EACH", "percent", 1000, per_buyer_max=3),
        "BUDGET": PromoTerms(new_id(), "BUDGET", "fixed", 300, budget_minor=1000),
    }
    await desk.change(*[PutPromoCode(event.event_id, terms) for terms in codes.values()])
    many = Conditions(
        payment="online", hold_seconds=60, holds_per_buyer_max=100, held_units_per_buyer_max=100
    )
    await desk.change(PutConditions(event.event_id, many))
    buyer = new_id()
    draw = random.Random(3)
    wishes = [
        PlaceBooking(event.event_id, buyer, (BookingLine(regular, 1),), promo_code=draw.choice(list(codes)))
        for _ in range(200)
    ]
    outcomes = await all_at_once(both, wishes)
    assert set(tally(outcomes)) == {"held", "promo-code-used-up"}
    used = await desk.db.fetch(
        "SELECT code, uses, spent_minor FROM promo_codes WHERE event_id = $1", event.event_id
    )
    assert {row["code"]: row["uses"] for row in used} == {"USES": 7, "EACH": 3, "BUDGET": 3}
    desk.clock.move(seconds=60)
    again = await all_at_once(
        both,
        [
            PlaceBooking(event.event_id, new_id(), (BookingLine(regular, 1),), promo_code="USES")
            for _ in range(20)
        ],
    )
    assert tally(again) == {"held": 7, "promo-code-used-up": 13}


async def test_a_code_of_one_batch_is_counted_in_the_batch(desk: SalesDesk) -> None:
    event, regular = await put_on_sale(desk, 1000)
    await desk.change(PutPromoCode(event.event_id, PromoTerms(new_id(), "ONE", "percent", 1000, uses_max=1)))
    wishes = [
        PlaceBooking(event.event_id, new_id(), (BookingLine(regular, 1),), promo_code="one")
        for _ in range(10)
    ]
    assert tally(await one_batch(desk.db, event, desk.engine, wishes)) == {"held": 1, "promo-code-used-up": 9}


# The waitlist


async def join(
    desk: SalesDesk, engines: Sequence[Engine], event: Event, type_id: UUID, quantities: Sequence[int]
) -> list[WaitlistEntry]:
    """Join with this many buyers, one after the other, each through another engine."""
    entries = []
    for number, quantity in enumerate(quantities):
        outcome = await engines[number % len(engines)].submit(
            JoinWaitlist(event.event_id, new_id(), type_id, quantity)
        )
        assert isinstance(outcome, Listed)
        entries.append(outcome.entry)
    return entries


async def states(desk: SalesDesk, event: Event) -> list[str]:
    """Return the states of the entries in line."""
    rows = await desk.db.fetch(
        "SELECT state FROM waitlist_entries WHERE event_id = $1 ORDER BY joined_seq, entry_id", event.event_id
    )
    return [row["state"] for row in rows]


async def test_nobody_snipes(desk: SalesDesk, both: list[Engine]) -> None:
    event, regular = await put_on_sale(desk, 30)
    booked = [await buy(desk, event) for _ in range(30)]
    await join(desk, both, event, regular, [1] * 20)
    draw = random.Random(2)
    wishes: list[Command] = [
        CancelBooking(event.event_id, each.booking_id, each.buyer_id, each.buyer_id) for each in booked[:20]
    ]
    wishes += [place(event, regular, key=f"k{number}") for number in range(80)]
    draw.shuffle(wishes)
    assert tally(await all_at_once(both, wishes)) == {"cancelled": 20, "sold-out": 80}
    assert await states(desk, event) == ["offered"] * 20


async def test_offers_are_accepted_or_lapse_and_go_on(desk: SalesDesk, both: list[Engine]) -> None:
    event, regular = await put_on_sale(desk, 10)
    four, _ = await buy(desk, event, 4), await buy(desk, event, 6)
    entries = await join(desk, both, event, regular, [2, 4, 1, 1, 2, 1])
    await desk.cancel(four)
    assert await states(desk, event) == ["offered", "waiting", "offered", "offered", "waiting", "waiting"]
    outcomes = await all_at_once(
        both, [AcceptOffer(event.event_id, entries[0].entry_id, entries[0].buyer_id)] * 9
    )
    assert tally(outcomes) == {"fulfilled": 9}
    desk.clock.move(seconds=30)
    late = [AcceptOffer(event.event_id, each.entry_id, each.buyer_id) for each in entries[2:4]]
    assert tally(await all_at_once(both, [*late, *[place(event, regular) for _ in range(5)]])) == {
        "offer-expired": 2,
        "sold-out": 5,
    }
    assert await states(desk, event) == [
        "fulfilled",
        "waiting",
        "withdrawn",
        "withdrawn",
        "offered",
        "waiting",
    ]
    desk.clock.move(seconds=30)  # the accepted offer was not paid, and the next one not accepted
    assert tally(await all_at_once(both, [place(event, regular)] * 2)) == {"sold-out": 2}
    assert await states(desk, event) == [
        "fulfilled",
        "offered",
        "withdrawn",
        "withdrawn",
        "withdrawn",
        "waiting",
    ]


async def test_whoever_joined_before_the_opening_comes_first_in_every_process(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, regular = await put_on_sale(desk, 30)
    opens_at, ends_at = desk.clock() + timedelta(hours=1), desk.clock() + timedelta(hours=2)
    await desk.change(ChangeSale(event.event_id, opens_at, ends_at))
    await join(desk, both, event, regular, [1, 2, 4] * 3)
    assert tally(
        await all_at_once(both, [place(event, regular, key=f"k{number}") for number in range(4)])
    ) == {"not-on-sale-yet": 4}
    desk.clock.move(hours=1)
    wishes = [place(event, regular, key=f"l{number}") for number in range(80)]
    assert tally(await all_at_once(both, wishes)) == {"held": 9, "sold-out": 71}
    assert await states(desk, event) == ["offered"] * 9


async def test_everybody_joins_at_once_and_each_has_a_place(desk: SalesDesk, both: list[Engine]) -> None:
    event, regular = await put_on_sale(desk, 2)
    await buy(desk, event, 2)
    buyers = [new_id() for _ in range(200)]
    wishes = [
        JoinWaitlist(event.event_id, buyer, regular, 1 + number % 3, f"k{number % 2}")
        for number, buyer in enumerate(buyers)
    ]
    outcomes = await all_at_once(both, [*wishes, *wishes])
    assert tally(outcomes) == {"waiting": 200, "waiting again": 200}
    again = await all_at_once(
        both, [JoinWaitlist(event.event_id, buyer, regular, 1) for buyer in buyers[:50]]
    )
    assert tally(again) == {"already-waiting": 50}
    places = await desk.db.fetch_value("SELECT count(DISTINCT (joined_seq, entry_id)) FROM waitlist_entries")
    assert places == 200


async def test_leaving_and_joining_again_in_one_batch(desk: SalesDesk) -> None:
    event, regular = await put_on_sale(desk, 2)
    await buy(desk, event, 2)
    (entry,) = await join(desk, [desk.engine], event, regular, [1])
    leave, again = (
        LeaveWaitlist(event.event_id, entry.entry_id, entry.buyer_id),
        JoinWaitlist(event.event_id, entry.buyer_id, regular, 2),
    )
    outcomes = await one_batch(desk.db, event, desk.engine, [leave, again, again])
    assert tally(outcomes) == {"withdrawn": 1, "waiting": 1, "already-waiting": 1}


async def test_more_room_races_with_buyers_and_the_line_comes_first(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event, regular = await put_on_sale(desk, 5)
    await buy(desk, event, 5)
    await join(desk, both, event, regular, [2, 2, 1])
    pool = (await pools(desk.db, event))["Admission"]
    await desk.change(PutPool(event.event_id, PoolTerms(pool.pool_id, pool.name, 12)))
    assert tally(
        await all_at_once(both, [place(event, regular, key=f"k{number}") for number in range(10)])
    ) == {"held": 2, "sold-out": 8}
    assert await states(desk, event) == ["offered"] * 3


async def test_returned_tickets_go_to_one_each(desk: SalesDesk, both: list[Engine]) -> None:
    event, regular = await put_on_sale(desk, 10)
    booked = [await buy(desk, event, 2) for _ in range(5)]
    entries = await join(desk, both, event, regular, [1] * 20)
    give = [
        ReturnTickets(
            event.event_id, each.booking_id, each.buyer_id, tuple(ticket.ticket_id for ticket in each.tickets)
        )
        for each in booked
    ]
    assert tally(await all_at_once(both, give * 3)) == {"confirmed": 15}
    assert await states(desk, event) == ["offered"] * 10 + ["waiting"] * 10
    assert (await pools(desk.db, event))["Admission"].sold == 10
    offers = await desk.db.fetch("SELECT booking_id, buyer_id FROM bookings WHERE state = 'held'")
    paid = [ConfirmBooking(event.event_id, row["booking_id"], new_id(), 2500) for row in offers]
    accept = [AcceptOffer(event.event_id, each.entry_id, each.buyer_id) for each in entries[:10]]
    cancel: list[Command] = [
        CancelBooking(event.event_id, each.booking_id, each.buyer_id, None) for each in booked
    ]
    rivals: list[Command] = [*paid, *accept, *cancel]
    random.Random(4).shuffle(rivals)
    await all_at_once(both, rivals)
    assert sum(amount for *_, amount in await refunds(desk, event)) == 10 * 2500, (
        "each ticket was paid back once"
    )
    desk.clock.move(minutes=2)
    await all_at_once(both, [place(event, regular, key="k")])
