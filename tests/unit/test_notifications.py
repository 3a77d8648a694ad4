"""What journal rows tell people."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from evently import sales
from evently.notifications import Note, notes_of
from evently.sales.facts import HoldExpired, TicketsReturned, WaitlistJoined

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
BUYER, HOLDER, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
BOOKING, THEIRS, MORE = UUID(int=11), UUID(int=12), UUID(int=13)
ENTRY, REFUND = UUID(int=21), UUID(int=31)
TICKETS = ((UUID(int=41), UUID(int=51), 2500),)


@pytest.mark.parametrize(
    ("fact", "note"),
    [
        (sales.BookingConfirmed(BOOKING, BUYER, TICKETS), Note(0, "booking_confirmed", BUYER, BOOKING)),
        (sales.HoldConfirmed(BOOKING, TICKETS), Note(0, "booking_confirmed", booking_id=BOOKING)),
        (sales.BookingCancelled(BOOKING, "confirmed", TICKETS, REFUND, 1), Note(0, "booking_cancelled", None, BOOKING, refund_id=REFUND)),
        (sales.TicketsCancelled(BOOKING, "confirmed", TICKETS), Note(0, "tickets_cancelled", None, BOOKING)),
        (sales.RefundSettled(BOOKING, REFUND, 100, "gateway"), Note(0, "refund_paid", None, BOOKING, refund_id=REFUND)),
        (sales.OfferMade(ENTRY, BOOKING), Note(0, "offer_made", None, BOOKING, ENTRY)),
        (sales.EntryWithdrawn(ENTRY, "lapsed"), Note(0, "offer_lapsed", entry_id=ENTRY)),
        (sales.EntryWithdrawn(ENTRY, "cancelled"), Note(0, "entry_withdrawn", entry_id=ENTRY)),
        (sales.EntryWithdrawn(ENTRY, "over_limit"), Note(0, "entry_withdrawn", entry_id=ENTRY)),
    ],
    ids=lambda each: each.kind if isinstance(each, Note) else type(each).__name__,
)
def test_what_people_are_told(fact: sales.Fact, note: Note) -> None:
    assert notes_of([fact]) == [note]


@pytest.mark.parametrize(
    "fact",
    [
        sales.BookingCancelled(BOOKING, "held", TICKETS),
        sales.TicketsCancelled(BOOKING, "held", TICKETS),
        HoldExpired(BOOKING, TICKETS),
        sales.RefundSettled(BOOKING, REFUND, 100, "never_paid"),
        sales.EntryWithdrawn(ENTRY, "left"),
        sales.EntryWithdrawn(ENTRY, "declined"),
        WaitlistJoined(ENTRY, BUYER, UUID(int=51), 1),
        TicketsReturned(BOOKING, (UUID(int=41),)),
        sales.SaleCancelled(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_is_no_news(fact: sales.Fact) -> None:
    assert notes_of([fact]) == []


def test_a_returned_ticket_that_was_taken_is_told_apart_from_what_stands_beside_it() -> None:
    facts: list[sales.Fact] = [
        sales.HoldConfirmed(MORE, TICKETS),  # an ordinary hold, and a cancellation that has nothing to do with it
        sales.TicketsCancelled(OTHER, "confirmed", TICKETS),
        sales.HoldConfirmed(BOOKING, TICKETS),
        sales.OfferAccepted(ENTRY, BOOKING),
        sales.TicketsCancelled(HOLDER, "confirmed", TICKETS, REFUND, 2500),
        sales.BookingCancelled(THEIRS, "confirmed", TICKETS),
        sales.TicketUnbound(BOOKING, UUID(int=61)),
        sales.TicketUnbound(BOOKING, UUID(int=62)),
        sales.BookingCancelled(OTHER, "confirmed", TICKETS),
    ]
    assert [(note.line, note.kind) for note in notes_of(facts)] == [
        (0, "booking_confirmed"),
        (1, "tickets_cancelled"),
        (2, "booking_confirmed"),
        (4, "return_taken"),
        (5, "return_taken"),
        (8, "booking_cancelled"),
    ]


def test_whoever_cancels_a_ticket_that_is_on_offer_has_cancelled_it() -> None:
    facts: list[sales.Fact] = [
        sales.HoldConfirmed(MORE, TICKETS),
        sales.BookingCancelled(THEIRS, "confirmed", TICKETS),
        sales.TicketUnbound(BOOKING, UUID(int=61)),  # the offer that stood for it has its place now
    ]
    assert [note.kind for note in notes_of(facts)] == ["booking_confirmed", "booking_cancelled"]
