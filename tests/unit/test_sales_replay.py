"""The replay: true histories are told as they were, and no tampering with one goes unnoticed."""

from __future__ import annotations

from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Any, Final, get_args
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from evently.sales.commands import Command
from evently.sales.commands.bookings import BookingLine, CancelBooking, ConfirmBooking, PlaceBooking
from evently.sales.commands.sale_terms import OpenSale, PutPool, SetUpSale
from evently.sales.facts import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    ConditionsPut,
    EntryWithdrawn,
    EventRescheduled,
    Fact,
    HoldConfirmed,
    HoldExpired,
    HoldExtended,
    OfferAccepted,
    OfferDiscounted,
    OfferMade,
    PoolPut,
    PoolRemoved,
    PromoCodePut,
    SaleCancelled,
    SaleOpened,
    SaleSetUp,
    TicketsCancelled,
    TicketsKept,
    TicketsReturned,
    TicketTypePut,
    TicketTypeRetired,
    WaitlistJoined,
    decode_facts,
    encode_facts,
)
from evently.sales.replay import Contradiction, Replay
from evently.sales.terms import Conditions, PoolTerms, PromoTerms
from evently.sales.terms import TicketTypeTerms as Terms
from tests.support.rows import Rows
from tests.support.stories import EVENT, NOON

HALL, BALCONY = UUID(int=11), UUID(int=12)
PLAIN, NESTED = UUID(int=21), UUID(int=22)
BUYER, STRANGER = UUID(int=31), UUID(int=32)
Journal = list[tuple[datetime, list[Fact]]]

steps = st.tuples(
    st.sampled_from(["book", "book", "hold", "hold", "confirm", "cancel", "cancel some", "raise"]),
    st.integers(0, 10),
    st.integers(1, 3),
)
histories = st.lists(
    st.tuples(st.lists(steps, min_size=1, max_size=5), st.integers(0, 40)), min_size=1, max_size=8
)


def journal_of(batches: list[tuple[list[tuple[str, int, int]], int]]) -> tuple[Journal, Rows]:
    """Run a history through the real rules; each batch is some seconds after the one before it."""
    rows, now = Rows(), NOON
    pools = (PoolTerms(HALL, "hall", 9), PoolTerms(BALCONY, "balcony", 4))
    types = (
        Terms(PLAIN, "plain", "", 1, 1000, 5, (HALL,)),
        Terms(NESTED, "nested", "", 2, 700, 5, (HALL, BALCONY)),
    )
    rows.run([SetUpSale(EVENT, "EUR", NOON, NOON + timedelta(days=1), pools, types), OpenSale(EVENT)], now)
    for batch, seconds in batches:
        now += timedelta(seconds=seconds)
        rows.run([command for step in batch for command in _commands(rows, *step)], now)
    return rows.journal, rows


def _commands(rows: Rows, kind: str, pick: int, units: int) -> list[Command]:
    if kind in {"book", "hold"}:
        line = BookingLine((PLAIN, NESTED)[pick % 2], units)
        return [PlaceBooking(EVENT, (BUYER, STRANGER)[pick % 2], (line,), 30 if kind == "hold" else None)]
    if kind == "raise":
        return [PutPool(EVENT, PoolTerms(HALL, "hall", 9 + units))]
    if not rows.bookings:
        return []
    booking = list(rows.bookings.values())[pick % len(rows.bookings)]
    if kind == "confirm":
        return [ConfirmBooking(EVENT, booking.booking_id)]
    some = tuple(ticket.ticket_id for ticket in booking.tickets[:units]) if kind == "cancel some" else None
    return [CancelBooking(EVENT, booking.booking_id, BUYER, None, some)]


def told(journal: Journal, part: tuple[int, int] = (0, 1)) -> Replay:
    replay = Replay(part)
    for at, facts in journal:
        replay.add(at, facts)
    return replay


def picture(replay: Replay) -> Any:
    return [astuple(pool) for pool in replay.pools.values()], replay.bookings, astuple(replay.totals)


@given(histories)
def test_every_booking_is_told_as_it_is(batches: Any) -> None:
    journal, rows = journal_of(batches)
    replay = told(journal)
    assert replay.bookings.keys() == rows.bookings.keys()
    for booking_id, booking in rows.bookings.items():
        left = {
            ticket.ticket_id: (ticket.ticket_type_id, ticket.price_minor)
            for ticket in booking.tickets
            if ticket.state != "void"
        }
        again = replay.bookings[booking_id]
        assert (again.buyer_id, again.state, again.placed_at, again.tickets) == (
            booking.buyer_id,
            booking.state,
            booking.placed_at,
            left,
        )


@given(histories, st.integers(2, 5))
def test_the_parts_are_the_whole(batches: Any, parts: int) -> None:
    journal, _ = journal_of(batches)
    whole = told(journal)
    each = [told(journal, (part, parts)) for part in range(parts)]
    for replay in each:
        assert picture(replay)[0] == picture(whole)[0]
        assert replay.totals == whole.totals
    assert sum(len(replay.bookings) for replay in each) == len(whole.bookings)
    assert {
        booking_id: booking for replay in each for booking_id, booking in replay.bookings.items()
    } == whole.bookings


@given(histories, st.data())
def test_no_tampering_goes_unnoticed(batches: Any, data: st.DataObject) -> None:
    journal, _ = journal_of(batches)
    places = [
        (row, index)
        for row, (_, facts) in enumerate(journal)
        for index, fact in enumerate(facts)
        if hasattr(fact, "booking_id")
    ]
    assume(places)
    row, index = data.draw(st.sampled_from(places))
    forged = [(at, list(facts)) for at, facts in journal]
    if data.draw(st.booleans(), label="told twice"):
        forged[row][1].insert(index, forged[row][1][index])
    else:
        del forged[row][1][index]
    try:
        replay = told(forged)
    except Contradiction:
        return
    assert picture(replay) != picture(told(journal))


TICKETS: Final = ((UUID(int=41), PLAIN, 1000), (UUID(int=42), PLAIN, 1000))
ONE, OTHER = (TICKETS[0],), ((UUID(int=43), PLAIN, 1000),)
ID, UNKNOWN = UUID(int=51), UUID(int=59)
LATER: Final = NOON + timedelta(minutes=1)
BEFORE: Final[list[Fact]] = [
    SaleSetUp("EUR", NOON, LATER),
    PoolPut(HALL, "hall", 3),
    TicketTypePut(PLAIN, "plain", 1000, 10, None, None, None, (HALL,)),
    SaleOpened(),
]
CONFIRMED, HELD = BookingConfirmed(ID, BUYER, TICKETS), BookingHeld(ID, BUYER, LATER, TICKETS)


@pytest.mark.parametrize(
    "facts",
    {
        "more sold than there is": [CONFIRMED, BookingConfirmed(UNKNOWN, BUYER, TICKETS)],
        "more held than there is": [CONFIRMED, BookingHeld(UNKNOWN, BUYER, LATER, TICKETS)],
        "a pool made smaller than what is taken": [CONFIRMED, PoolPut(HALL, "hall", 1)],
        "a pool removed with units taken": [CONFIRMED, PoolRemoved(HALL)],
        "a pool that never was": [PoolRemoved(BALCONY)],
        "a ticket type that never was": [BookingConfirmed(ID, BUYER, ((UUID(int=41), NESTED, 700),))],
        "placed twice": [CONFIRMED, CONFIRMED],
        "confirmed without a hold": [HoldConfirmed(ID, TICKETS)],
        "confirmed twice": [HELD, HoldConfirmed(ID, TICKETS), HoldConfirmed(ID, TICKETS)],
        "confirmed with fewer tickets": [HELD, HoldConfirmed(ID, ONE)],
        "expired with other tickets": [HELD, HoldExpired(ID, OTHER)],
        "expired after it was confirmed": [CONFIRMED, HoldExpired(ID, TICKETS)],
        "confirmed after it expired": [HELD, HoldExpired(ID, TICKETS), HoldConfirmed(ID, TICKETS)],
        "cancelled without a booking": [BookingCancelled(ID, "confirmed", TICKETS)],
        "cancelled twice": [
            CONFIRMED,
            BookingCancelled(ID, "confirmed", TICKETS),
            BookingCancelled(ID, "confirmed", TICKETS),
        ],
        "cancelled as held when it was confirmed": [CONFIRMED, BookingCancelled(ID, "held", TICKETS)],
        "cancelled whole with a ticket left": [CONFIRMED, BookingCancelled(ID, "confirmed", ONE)],
        "cancelled in part with no ticket left": [CONFIRMED, TicketsCancelled(ID, "confirmed", TICKETS)],
        "a ticket cancelled twice": [
            CONFIRMED,
            TicketsCancelled(ID, "confirmed", ONE),
            TicketsCancelled(ID, "confirmed", ONE),
        ],
        "somebody else's ticket returned": [CONFIRMED, TicketsReturned(ID, (OTHER[0][0],))],
        "somebody else's ticket kept": [CONFIRMED, TicketsKept(ID, (OTHER[0][0],))],
        "a ticket of a hold returned": [HELD, TicketsReturned(ID, (TICKETS[0][0],))],
        "somebody else's ticket cancelled": [CONFIRMED, TicketsCancelled(ID, "confirmed", OTHER)],
        "a ticket cancelled at another price": [
            CONFIRMED,
            TicketsCancelled(ID, "confirmed", ((TICKETS[0][0], PLAIN, 1),)),
        ],
        "more tax in a fee than the fee": [
            replace(CONFIRMED, money=((0, 50, 50, 0),) * len(TICKETS), fee_taxes=(51,) * len(TICKETS))
        ],
        "tax in no fee": [replace(CONFIRMED, fee_taxes=(1,) * len(TICKETS))],
    }.items(),
    ids=lambda case: case[0],
)
def test_what_cannot_have_happened(facts: tuple[str, list[Fact]]) -> None:
    replay = told([(NOON, BEFORE)])
    *possible, impossible = facts[1]
    replay.add(NOON, possible)
    with pytest.raises(Contradiction):
        replay.add(NOON, [impossible])


SELLING: Final = [
    *BEFORE,
    TicketTypePut(NESTED, "later", 700, 10, None, NOON + timedelta(seconds=30), None, (HALL,)),
]
CODE: Final = PromoTerms(UUID(int=71), "ONCE", "percent", 0, uses_max=0)
CHEAP: Final = BookingConfirmed(ID, BUYER, ((UUID(int=41), PLAIN, 1),))
LATE: Final = BookingConfirmed(ID, BUYER, ((UUID(int=41), NESTED, 700),))


@pytest.mark.parametrize(
    ("facts", "at"),
    {
        "before the event was published": ([*SELLING[:-2], CONFIRMED], NOON),
        "after the sale was called off": ([*SELLING, SaleCancelled(), CONFIRMED], NOON),
        "when the sale has ended": ([*SELLING, CONFIRMED], LATER),
        "of a ticket type that is not on sale yet": ([*SELLING, LATE], NOON),
        "of a ticket type that is retired": ([*SELLING, TicketTypeRetired(PLAIN), CONFIRMED], NOON),
        "at another price": ([*SELLING, CHEAP], NOON),
        "under conditions that there are not": ([*SELLING, replace(CONFIRMED, conditions_version=1)], NOON),
        "under conditions that are no more": ([*SELLING, ConditionsPut(1, Conditions()), CONFIRMED], NOON),
        "with a code that there is not": ([*SELLING, replace(CONFIRMED, promo_id=UNKNOWN)], NOON),
        "with a code that is used up": (
            [*SELLING, PromoCodePut(CODE), replace(CONFIRMED, promo_id=CODE.promo_id)],
            NOON,
        ),
    }.values(),
    ids=lambda case: str(case)[:20],
)
def test_what_cannot_have_been_sold(facts: list[Fact], at: datetime) -> None:
    replay = told([(NOON, facts[:-1])])
    with pytest.raises(Contradiction):
        replay.add(at, facts[-1:])


def test_a_journal_from_before_the_tax_of_fees_has_none_of_it() -> None:
    money = ((0, 50, 50, 160),) * len(TICKETS)
    stored = encode_facts([replace(CONFIRMED, money=money)])
    assert b"fee_tax" not in stored
    replay = told([(NOON, [*BEFORE, *decode_facts(stored)])])
    details = replay.bookings[ID].more.values()
    assert {(each.fee_minor, each.tax_minor, each.fee_tax_minor) for each in details} == {(50, 160, 0)}
    assert replay.bookings[ID].posted["door", "fees"] == 50 * len(TICKETS)


def test_an_accepted_offer_may_still_be_extended_once() -> None:
    entry = UUID(int=61)
    replay = told(
        [
            (
                NOON,
                [
                    *BEFORE,
                    WaitlistJoined(entry, BUYER, PLAIN, 2),
                    replace(HELD, entry_id=entry),
                    OfferMade(entry, ID),
                ],
            )
        ]
    )
    replay.add(NOON, [OfferAccepted(entry, ID), HoldExtended(ID, LATER)])
    assert not replay.bookings[ID].extended
    replay.add(NOON, [HoldExtended(ID, LATER)])
    assert replay.bookings[ID].extended
    with pytest.raises(Contradiction):
        replay.add(NOON, [HoldExtended(ID, LATER)])


FEW: Final = PromoTerms(UUID(int=72), "FEW", "fixed_per_booking", 300, uses_max=1)
ENTRY: Final = UUID(int=61)
DISCOUNTED: Final = OfferDiscounted(ENTRY, ID, FEW.promo_id, TICKETS, ((150, 0, 0, 0), (150, 0, 0, 0)))
OFFERED: Final[list[Fact]] = [
    *BEFORE,
    PromoCodePut(FEW),
    WaitlistJoined(ENTRY, BUYER, PLAIN, 2),
    replace(HELD, entry_id=ENTRY),
    OfferMade(ENTRY, ID),
]
ACCEPTED: Final = OfferAccepted(ENTRY, ID)


def test_an_offer_costs_less_with_a_promo_code() -> None:
    replay = told([(NOON, OFFERED), (NOON, [DISCOUNTED, HoldConfirmed(ID, TICKETS), ACCEPTED])])
    booking = replay.bookings[ID]
    assert (booking.promo_id, booking.payment, booking.posted) == (
        FEW.promo_id,
        "door",
        {("door", "organizer"): 1700},
    )
    assert [booking.more[ticket_id].discount_minor for ticket_id, _, _ in TICKETS] == [150, 150]
    assert (replay.promos[FEW.promo_id].uses, replay.promos[FEW.promo_id].spent_minor) == (1, 300)
    replay.add(NOON, [BookingCancelled(ID, "confirmed", TICKETS)])
    assert (replay.promos[FEW.promo_id].uses, replay.promos[FEW.promo_id].spent_minor) == (0, 0)
    for part in (0, 1):
        other = told([(NOON, OFFERED), (NOON, [DISCOUNTED, HoldConfirmed(ID, TICKETS), ACCEPTED])], (part, 2))
        assert other.promos[FEW.promo_id].spent_minor == 300


@pytest.mark.parametrize(
    "facts",
    {
        "with a code that there is not": [replace(DISCOUNTED, promo_id=UNKNOWN), ACCEPTED],
        "of an entry that there is not": [replace(DISCOUNTED, entry_id=UNKNOWN), ACCEPTED],
        "of a booking that it was not": [replace(DISCOUNTED, booking_id=UNKNOWN), ACCEPTED],
        "of other tickets": [replace(DISCOUNTED, tickets=ONE, money=DISCOUNTED.money[:1]), ACCEPTED],
        "of some tickets": [replace(DISCOUNTED, money=DISCOUNTED.money[:1]), ACCEPTED],
        "more than it takes off": [
            replace(DISCOUNTED, money=((151, 0, 0, 0), (150, 0, 0, 0))),
            ACCEPTED,
        ],
        "more than a ticket costs": [
            replace(DISCOUNTED, money=((1001, 0, 0, 0), (-701, 0, 0, 0))),
            ACCEPTED,
        ],
        "and dearer than before": [replace(DISCOUNTED, money=((0, 1, 0, 0), (0, 0, 0, 0))), ACCEPTED],
        "twice": [DISCOUNTED, DISCOUNTED, ACCEPTED],
        "after it was accepted": [ACCEPTED, DISCOUNTED],
        "and not accepted": [DISCOUNTED],
    }.items(),
    ids=lambda case: case[0],
)
def test_no_offer_can_have_been_discounted(facts: tuple[str, list[Fact]]) -> None:
    replay = told([(NOON, OFFERED)])
    with pytest.raises(Contradiction):
        replay.add(NOON, facts[1])


def test_an_offer_ends_with_its_hold() -> None:
    entry = UUID(int=61)
    before: list[Fact] = [
        *BEFORE,
        WaitlistJoined(entry, BUYER, PLAIN, 2),
        replace(HELD, entry_id=entry),
        OfferMade(entry, ID),
    ]
    told([(NOON, [*before, HoldExpired(ID, TICKETS), EntryWithdrawn(entry, "lapsed")])])
    with pytest.raises(Contradiction, match="still has the offer"):
        told([(NOON, [*before, HoldExpired(ID, TICKETS)])])


# Old journals -----------------------------------------------------------------------------------------------

# The fields that every row of a fact has. A field that comes later has a default, or old rows cannot be read.
REQUIRED: Final = {
    "SaleSetUp": "currency on_sale_at off_sale_at",
    "SaleChanged": "on_sale_at off_sale_at",
    "SaleOpened": "",
    "SaleCancelled": "",
    "EventRescheduled": "starts_before starts_at",
    "PoolPut": "pool_id name capacity",
    "PoolRemoved": "pool_id",
    "TicketTypePut": "ticket_type_id name price_minor per_booking_max per_buyer_max on_sale_at off_sale_at "
    "pool_ids",
    "TicketTypeRetired": "ticket_type_id",
    "ConditionsPut": "version conditions",
    "TicketsExchanged": "booking_id ticket_ids freed seats voided issued person_id",
    "TicketCheckedIn": "booking_id ticket_id scan_id",
    "TicketCheckedOut": "booking_id ticket_id scan_id",
    "CheckInUndone": "booking_id ticket_id scan_id",
    "SeatingPut": "digest zones zone_of",
    "SeatsBlocked": "seats",
    "SeatsUnblocked": "seats",
    "SeatBlockChanged": "block_id name",
    "PromoCodePut": "promo",
    "BookingHeld": "booking_id buyer_id expires_at tickets",
    "BookingConfirmed": "booking_id buyer_id tickets",
    "HoldExtended": "booking_id expires_at",
    "HoldConfirmed": "booking_id tickets",
    "HoldExpired": "booking_id tickets",
    "BookingCancelled": "booking_id was tickets",
    "TicketsCancelled": "booking_id was tickets",
    "PaymentCaptured": "booking_id payment_id amount_minor",
    "RefundSettled": "booking_id refund_id amount_minor how",
    "OutsideRefundsRecorded": "booking_id payment_id outside_minor",
    "TicketsReturned": "booking_id ticket_ids",
    "TicketsKept": "booking_id ticket_ids",
    "TicketUnbound": "booking_id ticket_id",
    "TransferOffered": "transfer_id booking_id ticket_id giver_id expires_at",
    "TransferAccepted": "transfer_id booking_id giver_id receiver_id voided issued",
    "TransferEnded": "transfer_id booking_id giver_id how",
    "TicketGivenBack": "booking_id ticket_id holder_id voided issued",
    "WaitlistJoined": "entry_id buyer_id ticket_type_id quantity",
    "OfferMade": "entry_id booking_id",
    "OfferDiscounted": "entry_id booking_id promo_id tickets money",
    "OfferAccepted": "entry_id booking_id",
    "EntryWithdrawn": "entry_id reason",
    "UnitsSetAside": "ticket_type_id units",
    "WaitingRoomPut": "opens_at seed_hash",
    "WaitingRoomRemoved": "",
    "WaitingRoomClosed": "entries list_hash",
    "WaitingRoomDrawn": "seed",
}
# As the first version stored it: no event was rescheduled, nothing was paid back by another hand, and
# conditions, codes and refunds had fewer fields
OLD_FACTS: Final = b"""[
    {"type":"SaleSetUp","currency":"EUR","on_sale_at":"2026-06-01T12:00:00Z",
        "off_sale_at":"2026-06-02T12:00:00Z"},
    {"type":"ConditionsPut","version":1,"conditions":{"payment":"online","hold_seconds":600,
        "offer_seconds":3600,"fees":{"fixed_minor":0,"basis_points":0,"paid_by":"buyer"},
        "refund_windows":[{"hours_before":0,"basis_points":10000}],"cancel_hours_before":0,
        "fee_kept":false,"orphans_forbidden":false}},
    {"type":"PoolPut","pool_id":"00000000-0000-0000-0000-00000000000b","name":"hall","capacity":3},
    {"type":"TicketTypePut","ticket_type_id":"00000000-0000-0000-0000-000000000015","name":"plain",
        "price_minor":1000,"per_booking_max":10,"per_buyer_max":null,"on_sale_at":null,"off_sale_at":null,
        "pool_ids":["00000000-0000-0000-0000-00000000000b"]},
    {"type":"PromoCodePut","promo":{"promo_id":"00000000-0000-0000-0000-000000000047","code":"ONCE",
        "kind":"percent","value":0,"ticket_type_ids":[],"uses_max":1,"per_buyer_max":null,
        "budget_minor":null,"from_at":null,"until_at":null,"retired":false}},
    {"type":"SaleOpened"},
    {"type":"BookingHeld","booking_id":"00000000-0000-0000-0000-000000000033",
        "buyer_id":"00000000-0000-0000-0000-00000000001f","expires_at":"2026-06-01T12:10:00Z",
        "tickets":[["00000000-0000-0000-0000-000000000029","00000000-0000-0000-0000-000000000015",1000]],
        "conditions_version":1},
    {"type":"HoldConfirmed","booking_id":"00000000-0000-0000-0000-000000000033",
        "tickets":[["00000000-0000-0000-0000-000000000029","00000000-0000-0000-0000-000000000015",1000]],
        "payment_id":"00000000-0000-0000-0000-000000000051","paid_minor":1000},
    {"type":"PaymentCaptured","booking_id":"00000000-0000-0000-0000-000000000033",
        "payment_id":"00000000-0000-0000-0000-000000000051","amount_minor":1000},
    {"type":"BookingCancelled","booking_id":"00000000-0000-0000-0000-000000000033","was":"confirmed",
        "tickets":[["00000000-0000-0000-0000-000000000029","00000000-0000-0000-0000-000000000015",1000]],
        "refund_id":"00000000-0000-0000-0000-000000000052","refund_minor":1000},
    {"type":"RefundSettled","booking_id":"00000000-0000-0000-0000-000000000033",
        "refund_id":"00000000-0000-0000-0000-000000000052","amount_minor":1000,"how":"gateway"}
]"""


def test_the_fields_of_facts_are_stored_for_good() -> None:
    required = {
        kind.__name__: " ".join(field.name for field in fields(kind) if field.required)
        for kind in get_args(Fact)
    }
    assert required == REQUIRED, "a new field of a fact needs a default"


def test_an_old_journal_is_told_as_it_was() -> None:
    replay = told([(NOON, decode_facts(OLD_FACTS))])
    assert (replay.state, replay.reschedulings) == ("open", [])
    assert replay.conditions == {1: Conditions("online")}
    booking = replay.bookings[UUID(int=51)]
    assert (booking.state, booking.paid_minor, booking.refunded_minor) == ("cancelled", 1000, 1000)
    assert booking.outside_minor == 0
    assert [refund.settled for refund in replay.refunds.values()] == [True]
    assert replay.pools[HALL].taken() == 0


def test_an_event_with_an_old_journal_is_rescheduled() -> None:
    starts = NOON + timedelta(days=9)
    moves: list[Fact] = [
        EventRescheduled(starts, starts + timedelta(minutes=1)),
        EventRescheduled(starts + timedelta(minutes=1), starts + timedelta(minutes=1), place_changed=True),
    ]
    assert decode_facts(encode_facts(moves)) == moves
    assert b"place_changed" not in encode_facts(moves[:1]), "what is left out has its default"
    replay = told([(NOON, decode_facts(OLD_FACTS)), (LATER, moves)])
    assert [(each.at, each.starts_at, each.place_changed) for each in replay.reschedulings] == [
        (LATER, starts + timedelta(minutes=1), False),
        (LATER, starts + timedelta(minutes=1), True),
    ]
    replay.add(LATER, [SaleCancelled()])
    with pytest.raises(Contradiction, match="while its sale was cancelled"):
        replay.add(LATER, moves[:1])
    with pytest.raises(Contradiction, match="while its sale was closed"):
        told([(NOON, [*BEFORE[:-1], *moves])])
