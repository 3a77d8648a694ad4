"""The audit of seats, money and the waitlist: no false alarms, and every planted corruption is detected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest
import pytest_asyncio

from evently import sales
from evently.audit import inspect
from evently.db import Database
from evently.kit.ids import new_id
from evently.sales.commands import Command
from evently.sales.commands.bookings import (
    BookingLine,
    CancelBooking,
    ConfirmBooking,
    OutsideRefund,
    PlaceBooking,
    RecordCapture,
    RecordOutsideRefunds,
    RecordRefund,
    ReturnTickets,
)
from evently.sales.commands.sale_terms import (
    PutConditions,
    PutPool,
    PutPromoCode,
    PutTicketType,
    RescheduleEvent,
)
from evently.sales.commands.seats import BlockSeats, PutSeating
from evently.sales.commands.waitlist import AcceptOffer, JoinWaitlist
from evently.sales.facts import BookingHeld, PoolPut
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked, Listed, Outcome
from evently.sales.terms import (
    Conditions,
    Fees,
    PoolTerms,
    PromoTerms,
    RefundWindow,
    SeatBlockTerms,
    TicketTypeTerms,
)
from tests.db.test_audit import Planted, deliver, found, planted
from tests.support.catalogue import sale_terms
from tests.support.halls import SMALL_HALL
from tests.support.sales_desk import SalesDesk, booking, open_sales_desk

A_PAYMENT: Final = """
    INSERT INTO payments (
        event_id, payment_id, booking_id, buyer_id, attempt, fingerprint, gateway, hosted, description,
        expires_at, reference, state, amount_minor, currency, created_at, changed_at, tries
    )
    SELECT
        event_id, $2, booking_id, buyer_id, 1, '', 'demo', false, '', now(), 'ref', 'captured', paid_minor,
        'EUR', placed_at, placed_at, 0
    FROM bookings
    WHERE booking_id = $1
"""
A_REFUND: Final = """
    INSERT INTO payment_refunds (
        event_id, refund_id, booking_id, payment_id, amount_minor, attempt, state, created_at, changed_at,
        tries
    )
    SELECT refunds.event_id, refund_id, booking_id, payment_id, amount_minor, 1, 'settled', $2, $2, 0
    FROM refunds
    INNER JOIN bookings USING (event_id, booking_id)
    WHERE refund_id = $1
"""


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        opened.clock.now = datetime.now(UTC)  # the audit goes by the database's clock
        yield opened


def entry_of(outcome: Outcome) -> UUID:
    assert isinstance(outcome, Listed), outcome
    return outcome.entry.entry_id


async def carry_out(desk: SalesDesk, *commands: Command) -> None:
    for command in commands:
        async with desk.db.transaction() as tx:
            await sales.carry_out(tx, command, desk.clock())


async def pay(desk: SalesDesk, held: Booking) -> Booking:
    """Pay a hold, as the checkout would."""
    payment_id = new_id()
    await desk.engine.submit(ConfirmBooking(held.event_id, held.booking_id, payment_id, held.total_minor()))
    async with desk.db.transaction() as tx:
        await tx.execute(A_PAYMENT, held.booking_id, payment_id)
    return booking(await desk.engine.submit(RecordCapture(held.event_id, held.booking_id, payment_id)))


async def refund_outside(desk: SalesDesk, paid: Booking, refund: OutsideRefund, known_minor: int = 0) -> None:
    """Record the only refund by another hand that is current at the gateway, as the checkout would."""
    assert paid.payment_id is not None
    await desk.engine.submit(
        RecordOutsideRefunds(paid.event_id, paid.booking_id, paid.payment_id, (refund,), known_minor)
    )


async def bustle(desk: SalesDesk) -> UUID:
    """Sell seats and standing room online with a code; use waitlist, returns, offers and refunds."""
    starts_at = desk.clock() + timedelta(days=30)
    event = await desk.event(
        sale_terms(capacity=4), starts_at=starts_at, ends_at=starts_at + timedelta(hours=3)
    )
    event_id = event.event_id
    (standing,) = (await desk.types(event)).values()
    seats, seated = new_id(), new_id()
    await carry_out(
        desk,
        PutConditions(
            event_id,
            Conditions(
                "online",
                hold_seconds=3_600,  # longer than any test takes
                fees=Fees(100, 500),
                refund_windows=(RefundWindow(24, 10_000), RefundWindow(0, 5_000)),
            ),
        ),
        PutSeating(event_id, SMALL_HALL.seating({"front": ["A", "B"], "back": ["C"]})),
        PutPool(event_id, PoolTerms(seats, "Seats", 12)),
        PutTicketType(
            event_id,
            TicketTypeTerms(seated, "Seat", "", 2, 4_000, 10, (seats,), zone="front", tax_basis_points=1_900),
        ),
        PutPromoCode(
            event_id, PromoTerms(new_id(), "EARLY", "percent", 1_000, uses_max=5, budget_minor=10_000)
        ),
        PutPromoCode(event_id, PromoTerms(new_id(), "SHARED", "fixed_per_booking", 700, uses_max=5)),
        BlockSeats(event_id, ("A6",)),
        BlockSeats(
            event_id, ("B5", "B6"), SeatBlockTerms(new_id(), "Sponsor", starts_at - timedelta(days=1))
        ),
        RescheduleEvent(event_id, starts_at - timedelta(days=9), starts_at, place_changed=True),
    )

    async def book(type_id: UUID, units: int, code: str | None = None) -> Booking:
        return booking(
            await desk.engine.submit(
                PlaceBooking(event_id, new_id(), (BookingLine(type_id, units),), promo_code=code)
            )
        )

    async def join(units: int, key: str | None = None) -> tuple[UUID, UUID]:
        buyer = new_id()
        return buyer, entry_of(
            await desk.engine.submit(JoinWaitlist(event_id, buyer, standing, units, key, b""))
        )

    sitting = await pay(desk, await book(seated, 3, "early"))
    await book(seated, 2)  # stays held
    spare = await book(seated, 1)
    await desk.engine.submit(CancelBooking(event_id, spare.booking_id, new_id(), None, reason="A pillar."))
    part = CancelBooking(
        event_id,
        sitting.booking_id,
        sitting.buyer_id,
        sitting.buyer_id,
        (sitting.tickets[0].ticket_id,),
        starts_at,
    )
    outcome = await desk.engine.submit(part)
    assert isinstance(outcome, Booked)
    refund_id = await desk.db.fetch_value("SELECT refund_id FROM refunds WHERE event_id = $1", event_id)
    await desk.engine.submit(RecordRefund(event_id, sitting.booking_id, refund_id))
    async with desk.db.transaction() as tx:
        await tx.execute(A_REFUND, refund_id, desk.clock())
    await refund_outside(desk, sitting, OutsideRefund("refund", "re_1", 300))
    await refund_outside(desk, sitting, OutsideRefund("dispute", "du_1", 200), known_minor=300)
    holder = await pay(desk, await book(standing, 4, "early"))
    _, group = await join(3, "group")
    lucky, one = await join(1)
    await desk.engine.submit(
        ReturnTickets(event_id, holder.booking_id, holder.buyer_id, (holder.tickets[0].ticket_id,))
    )
    taken = await desk.engine.submit(AcceptOffer(event_id, one, lucky, "shared"))
    assert isinstance(taken, Listed)
    assert taken.booking is not None
    await pay(desk, taken.booking)
    await desk.engine.submit(
        CancelBooking(event_id, holder.booking_id, holder.buyer_id, None, (holder.tickets[1].ticket_id,))
    )
    await join(2)  # one unit is set aside, and suffices for neither
    states = {
        row["entry_id"]: row["state"]
        for row in await desk.db.fetch("SELECT entry_id, state FROM waitlist_entries")
    }
    assert (states[group], states[one]) == ("waiting", "fulfilled")
    await deliver(desk.db, desk.clock)
    return event_id


async def test_whoever_is_overtaken_is_found(db: Database, desk: SalesDesk) -> None:
    """Extend the journal beyond the rules: with room for all, the offers are made in another order."""
    event_id = await bustle(desk)
    rows = await db.fetch("SELECT at, facts FROM journal WHERE event_id = $1 ORDER BY seq", event_id)
    told = [(row["at"], sales.facts.decode_facts(row["facts"])) for row in rows]
    now, joined = (
        told[-1][0],
        [fact for _, facts in told for fact in facts if isinstance(fact, sales.facts.WaitlistJoined)],
    )
    first, second = [fact for fact in joined if fact.quantity > 1]
    assert first.quantity > second.quantity, "the group of three has joined before the pair"

    def tell_further(
        *offered: sales.facts.WaitlistJoined, also: tuple[sales.facts.WaitlistJoined, ...] = ()
    ) -> sales.replay.Replay:
        replay = sales.replay.Replay()
        for at, facts in told:
            replay.add(at, facts)
        assert replay.overtaken == []
        replay.add(
            now, [*[PoolPut(pool_id, pool.name, 100) for pool_id, pool in replay.pools.items()], *also]
        )
        for entry in offered:
            replay.add(now, offer_of(entry, replay))
        return replay

    assert tell_further(second, first).overtaken == [], "a pair may pass a group of three"
    later = sales.facts.WaitlistJoined(new_id(), new_id(), first.ticket_type_id, 2)
    assert tell_further(later, also=(later,)).overtaken == [
        f"entry {second.entry_id} was overtaken by {later.entry_id}"
    ]
    with pytest.raises(sales.replay.Contradiction, match="other tickets than it waits for"):
        tell_further(sales.facts.WaitlistJoined(first.entry_id, second.buyer_id, first.ticket_type_id, 3))


def offer_of(entry: sales.facts.WaitlistJoined, replay: sales.replay.Replay) -> list[sales.facts.Fact]:
    """Return the facts of an offer."""
    price, booking_id = replay.types[entry.ticket_type_id].price_minor, new_id()
    tickets = tuple((new_id(), entry.ticket_type_id, price) for _ in range(entry.quantity))
    assert replay.at is not None
    held = BookingHeld(
        booking_id, entry.buyer_id, replay.at, tickets, (), (), len(replay.conditions), None, entry.entry_id
    )
    return [held, sales.facts.OfferMade(entry.entry_id, booking_id)]


async def test_nothing_is_found_after_whatever_may_happen(db: Database, desk: SalesDesk) -> None:
    for _ in range(2):
        await bustle(desk)
    assert {finding.code: finding.examples for finding in await inspect(db) if finding.count} == {}
    assert await db.fetch_value("SELECT sum(set_aside) FROM pools") == 2


async def test_an_answer_that_is_older_than_a_promo_code_is_no_finding(db: Database, desk: SalesDesk) -> None:
    """A key answered that an offer lost a ticket; then the offer was accepted with a code."""
    starts_at = desk.clock() + timedelta(days=30)
    event = await desk.event(
        sale_terms(capacity=3), starts_at=starts_at, ends_at=starts_at + timedelta(hours=1)
    )
    event_id, (standing,) = event.event_id, (await desk.types(event)).values()
    code = PromoTerms(new_id(), "TEN", "fixed_per_booking", 1_000)
    await carry_out(desk, PutPromoCode(event_id, code))
    lines = (BookingLine(standing, 3),)
    holder = booking(await desk.engine.submit(PlaceBooking(event_id, new_id(), lines)))
    buyer_id = new_id()
    entry_id = entry_of(await desk.engine.submit(JoinWaitlist(event_id, buyer_id, standing, 3)))
    await desk.engine.submit(CancelBooking(event_id, holder.booking_id, holder.buyer_id, None))
    row = await desk.db.fetch_row("SELECT booking_id FROM waitlist_entries WHERE entry_id = $1", entry_id)
    assert row is not None
    offer_id = row["booking_id"]
    ticket_id = await desk.db.fetch_value(
        "SELECT ticket_id FROM tickets WHERE booking_id = $1 LIMIT 1", offer_id
    )
    part = CancelBooking(event_id, offer_id, buyer_id, buyer_id, (ticket_id,), None, "part", b"")
    assert isinstance(await desk.engine.submit(part), Booked)
    taken = await desk.engine.submit(AcceptOffer(event_id, entry_id, buyer_id, "ten"))
    assert isinstance(taken, Listed)
    assert taken.booking is not None
    assert [ticket.discount_minor for ticket in taken.booking.tickets] == [0, 500, 500]
    await deliver(desk.db, desk.clock)
    assert {finding.code: finding.examples for finding in await inspect(db) if finding.count} == {}


SEATED = (
    "(SELECT seat_number FROM seat_claims WHERE event_id = $1 AND ticket_id IS NOT NULL ORDER BY "
    "seat_number LIMIT 1)"
)
PAID = (
    "(SELECT booking_id FROM bookings WHERE event_id = $1 AND payment_id IS NOT NULL AND state = "
    "'confirmed' ORDER BY booking_id LIMIT 1)"
)

PLANTED = [
    planted(
        "a seat that is sold again",
        "I5 I11",
        f"DELETE FROM seat_claims WHERE event_id = $1 AND seat_number = {SEATED}",
    ),
    planted(
        "a seat of somebody else",
        "I5 I11",
        "UPDATE seat_claims SET ticket_id = gen_random_uuid() WHERE event_id = $1 AND "
        f"seat_number = {SEATED}",
    ),
    planted(
        "two tickets for one seat",
        "I5 I11",
        f"UPDATE tickets SET seat_number = {SEATED} WHERE event_id = $1 AND seat_number IS NOT "
        "NULL AND state = 'valid'",
    ),
    planted("a seat that the map does not have", "I5 I11", "INSERT INTO seat_claims VALUES ($1, 4000, NULL)"),
    planted(
        "a blocked seat on sale", "I11", "DELETE FROM seat_claims WHERE event_id = $1 AND seat_number = 5"
    ),
    planted(
        "a seat of a block on sale",
        "I5 I11",
        "DELETE FROM seat_claims WHERE event_id = $1 AND seat_number = 11",
    ),
    planted(
        "a block under another name", "I11", "UPDATE seat_blocks SET name = 'Guests' WHERE event_id = $1"
    ),
    planted(
        "a block that nobody made",
        "I5 I11",
        "INSERT INTO seat_blocks VALUES ($1, gen_random_uuid(), 'x', NULL, now(), '{0}')",
    ),
    planted(
        "a seat of another zone",
        "I5 I11",
        "UPDATE event_seating SET zone_of = set_byte(zone_of, 1, 1) WHERE event_id = $1",
    ),
    planted(
        "money that nobody took",
        "I7",
        "DELETE FROM payment_refunds WHERE event_id = $1",
        "DELETE FROM payments WHERE event_id = $1",
    ),
    planted(
        "a booking that was never paid",
        "I7 I11",
        "UPDATE bookings SET payment_id = NULL, paid_minor = 0, captured_at = NULL, "
        "refunded_minor = 0, outside_minor = 0 WHERE event_id = $1 "
        f"AND booking_id = {PAID}",
    ),
    planted(
        "a booking paid twice",
        "I7",
        "DROP INDEX payments_live_uq",
        A_PAYMENT.replace("$2", "gen_random_uuid()")
        .replace("buyer_id, 1, ''", "buyer_id, 2, ''")
        .replace("WHERE booking_id = $1", "WHERE event_id = $1 AND payment_id IS NOT NULL"),
    ),
    planted(
        "more paid back than was decided",
        "I7 I11",
        "UPDATE refunds SET amount_minor = amount_minor + 1 WHERE event_id = $1",
    ),
    planted(
        "a refund that was settled unseen",
        "I11",
        "UPDATE refunds SET settled_at = now() WHERE event_id = $1 AND settled_at IS NULL",
    ),
    planted(
        "a refund that should have begun ten minutes ago",
        "I7 I11",
        "DELETE FROM payment_refunds WHERE event_id = $1 AND state = 'asking'",
        "UPDATE refunds SET decided_at = now() - interval '11 minutes' "
        "WHERE event_id = $1 AND settled_at IS NULL",
    ),
    planted(
        "a refund that the checkout may still begin",
        "I11",
        "DELETE FROM payment_refunds WHERE event_id = $1 AND state = 'asking'",
        "UPDATE refunds SET decided_at = now() - interval '9 minutes' "
        "WHERE event_id = $1 AND settled_at IS NULL",
    ),
    planted(
        "a refund by another hand that is gone", "I11", "DELETE FROM outside_refunds WHERE event_id = $1"
    ),
    planted(
        "a dispute that was not won",
        "I11",
        "UPDATE outside_refunds SET reversed_at = now() WHERE event_id = $1 AND reversed_at IS NULL",
    ),
    planted(
        "a posting too few",
        "I8",
        "DELETE FROM ledger WHERE event_id = $1 AND debit = 'gateway' AND credit = 'buyer'",
    ),
    planted(
        "a posting that is wrong by one",
        "I8 I12",
        "UPDATE ledger SET amount_minor = amount_minor + 1 WHERE event_id = $1 AND credit = 'tax'",
    ),
    planted(
        "money in another currency",
        "I8",
        "UPDATE ledger SET currency = 'USD' WHERE event_id = $1 AND credit = 'organizer'",
    ),
    planted(
        "money moved to another account",
        "I8 I12",
        "UPDATE ledger SET credit = 'fees' WHERE event_id = $1 AND credit = 'organizer' AND debit = 'buyer'",
    ),
    planted(
        "a ticket that prints the name of its row instead of the label",
        "I11",
        "UPDATE tickets SET seat_label = replace(seat_label, 'row Box', 'row B') WHERE event_id = $1",
    ),
    planted(
        "no tax in a fee",
        "I11",
        "UPDATE tickets SET fee_tax_minor = 0 WHERE event_id = $1",
    ),
    planted(
        "other conditions",
        "I11",
        "UPDATE sale_conditions SET conditions = conditions || ' ' WHERE event_id = $1",
    ),
    planted(
        "a payment of another amount",
        "I7",
        "UPDATE payments SET amount_minor = amount_minor + 1 WHERE event_id = $1",
    ),
    planted(
        "money that nobody collects",
        "I7 I11",
        "UPDATE bookings SET captured_at = NULL, confirmed_at = confirmed_at - interval '9 hours', "
        "placed_at = placed_at - interval '9 hours', expires_at = expires_at - interval '9 hours' "
        "WHERE event_id = $1 AND payment_id IS NOT NULL AND state = 'confirmed'",
    ),
    planted(
        "a code that was used more often", "I11", "UPDATE promo_codes SET uses = uses - 1 WHERE event_id = $1"
    ),
    planted("an entry that is gone", "I6 I11", "DELETE FROM waitlist_entries WHERE event_id = $1"),
    planted(
        "somebody else in the line",
        "I6 I11",
        "UPDATE waitlist_entries SET buyer_id = gen_random_uuid() WHERE event_id = $1",
    ),
    planted(
        "units no longer set aside",
        "I2 I11",
        "UPDATE pools SET set_aside = 0 WHERE event_id = $1 AND set_aside > 0",
    ),
    planted(
        "units set aside and not counted", "I2 I11", "UPDATE set_asides SET units = 0 WHERE event_id = $1"
    ),
    planted(
        "a ticket that stands for another",
        "I2 I5 I11",
        "UPDATE tickets SET replaces = gen_random_uuid() WHERE event_id = $1 AND state = "
        "'valid' AND seat_number IS NOT NULL",
    ),
]


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.what)
async def test_a_planted_corruption_is_found(db: Database, desk: SalesDesk, case: Planted) -> None:
    event_id, other_id = await bustle(desk), await bustle(desk)
    async with db.transaction() as tx:
        for statement in case.statements:
            await tx.execute(statement, *([event_id] if "$1" in statement else []))
    findings = await inspect(db)
    assert found(findings).keys() == case.shows, [finding.as_dict() for finding in findings if finding.count]
    assert found(await inspect(db, other_id)) == {}
