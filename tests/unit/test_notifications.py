"""Which notifications the facts of journal rows ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from evently import sales
from evently.notifications.notifications import NewNotification, notifications_of
from evently.sales.facts import HoldExpired, TicketsReturned, WaitlistJoined

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
BUYER, HOLDER, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
BOOKING, THEIRS, MORE = UUID(int=11), UUID(int=12), UUID(int=13)
ENTRY, REFUND = UUID(int=21), UUID(int=31)
TICKETS = ((UUID(int=41), UUID(int=51), 2500),)


@pytest.mark.parametrize(
    ("fact", "note"),
    [
        (
            sales.facts.BookingConfirmed(BOOKING, BUYER, TICKETS),
            NewNotification(0, "booking_confirmed", BUYER, BOOKING),
        ),
        (
            sales.facts.HoldConfirmed(BOOKING, TICKETS),
            NewNotification(0, "booking_confirmed", booking_id=BOOKING),
        ),
        (
            sales.facts.BookingCancelled(BOOKING, "confirmed", TICKETS, REFUND, 1),
            NewNotification(0, "booking_cancelled", None, BOOKING, refund_id=REFUND),
        ),
        (
            sales.facts.BookingCancelled(BOOKING, "confirmed", TICKETS, unpaid=True),
            NewNotification(0, "payment_failed", None, BOOKING),
        ),
        (
            sales.facts.TicketsCancelled(BOOKING, "confirmed", TICKETS),
            NewNotification(0, "tickets_cancelled", None, BOOKING),
        ),
        (
            sales.facts.RefundSettled(BOOKING, REFUND, 100, "gateway"),
            NewNotification(0, "refund_paid", None, BOOKING, refund_id=REFUND),
        ),
        (
            sales.facts.TransferEnded(MORE, BOOKING, BUYER, "declined"),
            NewNotification(0, "transfer_declined", BUYER, BOOKING),
        ),
        (
            sales.facts.TransferEnded(MORE, BOOKING, BUYER, "expired"),
            NewNotification(0, "transfer_expired", BUYER, BOOKING),
        ),
        (
            sales.facts.TicketGivenBack(BOOKING, MORE, OTHER, b"v", b"i"),
            NewNotification(0, "ticket_given_back", None, BOOKING),
        ),
        (sales.facts.OfferMade(ENTRY, BOOKING), NewNotification(0, "offer_made", None, BOOKING, ENTRY)),
        (sales.facts.EntryWithdrawn(ENTRY, "lapsed"), NewNotification(0, "offer_lapsed", entry_id=ENTRY)),
        (
            sales.facts.EntryWithdrawn(ENTRY, "cancelled"),
            NewNotification(0, "entry_withdrawn", entry_id=ENTRY),
        ),
        (
            sales.facts.EntryWithdrawn(ENTRY, "over_limit"),
            NewNotification(0, "entry_withdrawn", entry_id=ENTRY),
        ),
    ],
    ids=lambda each: each.kind if isinstance(each, NewNotification) else type(each).__name__,
)
def test_the_notifications_of_facts(fact: sales.facts.Fact, note: NewNotification) -> None:
    assert notifications_of([fact]) == [note]


def test_an_expired_hold_notifies_only_who_tried_to_pay() -> None:
    facts = [HoldExpired(BOOKING, TICKETS), HoldExpired(THEIRS, TICKETS)]
    assert notifications_of(facts, {THEIRS}) == [NewNotification(1, "payment_failed", booking_id=THEIRS)]


@pytest.mark.parametrize(
    "fact",
    [
        sales.facts.BookingCancelled(BOOKING, "held", TICKETS),
        sales.facts.TicketsCancelled(BOOKING, "held", TICKETS),
        HoldExpired(BOOKING, TICKETS),
        sales.facts.RefundSettled(BOOKING, REFUND, 100, "never_paid"),
        sales.facts.EntryWithdrawn(ENTRY, "left"),
        sales.facts.EntryWithdrawn(ENTRY, "declined"),
        WaitlistJoined(ENTRY, BUYER, UUID(int=51), 1),
        TicketsReturned(BOOKING, (UUID(int=41),)),
        sales.facts.SaleCancelled(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_is_no_news(fact: sales.facts.Fact) -> None:
    assert notifications_of([fact]) == []


def test_a_resold_ticket_has_a_notification_of_its_own() -> None:
    facts: list[sales.facts.Fact] = [
        sales.facts.HoldConfirmed(
            MORE, TICKETS
        ),  # an ordinary hold, and a cancellation that has nothing to do with it
        sales.facts.TicketsCancelled(OTHER, "confirmed", TICKETS),
        sales.facts.HoldConfirmed(BOOKING, TICKETS),
        sales.facts.OfferAccepted(ENTRY, BOOKING),
        sales.facts.TicketsCancelled(HOLDER, "confirmed", TICKETS, REFUND, 2500),
        sales.facts.BookingCancelled(THEIRS, "confirmed", TICKETS),
        sales.facts.TicketUnbound(BOOKING, UUID(int=61)),
        sales.facts.TicketUnbound(BOOKING, UUID(int=62)),
        sales.facts.BookingCancelled(OTHER, "confirmed", TICKETS),
    ]
    assert [(note.line, note.kind) for note in notifications_of(facts)] == [
        (0, "booking_confirmed"),
        (1, "tickets_cancelled"),
        (2, "booking_confirmed"),
        (4, "return_taken"),
        (5, "return_taken"),
        (8, "booking_cancelled"),
    ]


def test_a_ticket_that_is_cancelled_while_it_is_offered_is_cancelled() -> None:
    facts: list[sales.facts.Fact] = [
        sales.facts.HoldConfirmed(MORE, TICKETS),
        sales.facts.BookingCancelled(THEIRS, "confirmed", TICKETS),
        sales.facts.TicketUnbound(BOOKING, UUID(int=61)),  # the offer that stood for it has its place now
    ]
    assert [note.kind for note in notifications_of(facts)] == ["booking_confirmed", "booking_cancelled"]


def test_a_ticket_that_is_taken_tells_its_giver_and_its_receiver() -> None:
    taken = sales.facts.TransferAccepted(MORE, BOOKING, BUYER, OTHER, b"v", b"i")
    assert notifications_of([taken]) == [
        NewNotification(0, "transfer_accepted", BUYER, BOOKING),
        NewNotification(0, "ticket_received", OTHER, BOOKING, apart_id=MORE),
    ]
    assert notifications_of([sales.facts.TransferEnded(MORE, BOOKING, BUYER, "withdrawn")]) == []
