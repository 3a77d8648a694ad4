"""Bookings as clients see them.

Amounts that are nothing are null: a booking then stays below what is worth compressing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import asdict

from evently import sales
from evently.checkout import Payment
from evently.kit.ids import reference_of, show_id, show_secret
from evently.kit.money import Money
from evently.web.api.payments import PaymentView, show_payment
from evently.web.edge.context import Request, Response
from evently.web.edge.problems import problem

PRIVATE: Final = {"cache-control": "no-store"}
ONLINE: Final = "online"
_DOOR: Final = "door"
_NOTHING: Final = "none"


class SeatView(msgspec.Struct, frozen=True):
    """A seat: its id on the map, and what is printed on the ticket."""

    id: str
    label: str


class TicketView(msgspec.Struct, frozen=True):
    """One ticket. `code` admits one person; it is null while the booking is not confirmed.

    `total` is what it costs: the price, less the discount, and on top the fee where the buyer pays it and the tax where the price does not
    include it; null where there is none. `returning`: it is offered to the waitlist, and stays its holder's until somebody takes it.
    """

    id: str
    ticket_type_id: str
    price: Money
    discount: Money | None
    fee: Money | None
    tax: Money | None
    total: Money
    state: str
    code: str | None
    seat: SeatView | None
    returning: bool


class BookingView(msgspec.Struct, frozen=True):
    """One booking. `total` is what its valid tickets cost, `amount_due` what is still to be paid of it.

    `payment` is how: `online`, at the `door`, or `none`. `payment_state`: nothing (is or was to be paid), due, paid (authorised), or
    captured (collected). `paid` and `refunded`, which is decided to be paid back, are null when there is nothing. `waitlist_entry_id`: it
    is an offer to this entry, or was one.
    """

    id: str
    reference: str
    event_id: str
    buyer_id: str
    state: str
    placed_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    total: Money
    amount_due: Money
    payment: str
    payment_state: str
    paid: Money | None
    refunded: Money | None
    extended: bool
    waitlist_entry_id: str | None
    tickets: list[TicketView]


class BookingRefundView(msgspec.Struct, frozen=True):
    """What is paid back. `state`: pending, or settled."""

    id: str
    amount: Money
    state: str
    decided_at: datetime
    settled_at: datetime | None


class WholeBookingView(BookingView, frozen=True):
    """One booking, with what is paid back for it, how far the latest payment is, and where to see what cancelling would pay back."""

    cancellation_quote: str
    refunds: list[BookingRefundView]
    latest_payment: PaymentView | None


def show_booking(booking: sales.commands.Booking, at_door: Collection[UUID] = ()) -> BookingView:
    """Return a booking as clients see it. Deterministic, so that a replay shows what the first answer showed.

    `at_door`: bookings of which `list_paid_at_door` says so.
    """
    currency, total = booking.currency, booking.total_minor()
    confirmed = booking.confirmed_at is not None
    state = _payment_state(booking, total)
    return BookingView(
        show_id("bkg", booking.booking_id),
        reference_of(booking.booking_id),
        show_id("evt", booking.event_id),
        show_id("per", booking.buyer_id),
        booking.state,
        booking.placed_at,
        booking.expires_at,
        booking.ended_at,
        Money(total, currency),
        Money(total if state == "due" else 0, currency),
        payment_of(booking, at_door),
        state,
        Money(booking.paid_minor, currency) if booking.paid_minor else None,
        Money(booking.refunded_minor, currency) if booking.refunded_minor else None,
        booking.extended,
        None if booking.entry_id is None else show_id("wle", booking.entry_id),
        [_show_ticket(ticket, currency, confirmed=confirmed) for ticket in booking.tickets],
    )


def show_whole_booking(
    booking: sales.commands.Booking,
    at_door: Collection[UUID],
    refunds: Sequence[sales.reads.Refund],
    payment: Payment | None,
) -> WholeBookingView:
    """Return a booking with its refunds and its latest payment."""
    view = show_booking(booking, at_door)
    return WholeBookingView(
        **asdict(view),
        cancellation_quote=f"/v1/bookings/{view.id}/cancellation-quote",
        refunds=[_show_refund(refund, booking.currency) for refund in refunds],
        latest_payment=None if payment is None else show_payment(payment),
    )


async def answer_booking(
    request: Request, outcome: sales.commands.Outcome, *, created: bool = False
) -> Response[BookingView]:
    """Return the answer to a command about a booking."""
    if isinstance(outcome, sales.commands.No):
        return problem(request, outcome.as_error())  # no exception: thousands a second are refused
    assert isinstance(outcome, sales.commands.Booked), "a booking command is answered with a booking"
    booking = outcome.booking
    view = show_booking(
        booking,
        ()
        if booking.entry_id is None
        else await sales.reads.list_paid_at_door(request.context.database, [booking]),
    )
    headers = {"cache-control": "no-store"}
    if created:
        headers["location"] = f"/v1/bookings/{view.id}"
    if outcome.replayed:
        headers["idempotent-replayed"] = "true"
    return Response(view, status_code=201 if created else 200, headers=headers)


def payment_of(booking: sales.commands.Booking, at_door: Collection[UUID] = ()) -> str:
    """Return how a booking is paid: what was confirmed without a payment at the door, what is held online; but for some offers."""
    if booking.payment_id is not None:
        return ONLINE
    if not any(ticket.total_minor() for ticket in booking.tickets):
        return _NOTHING
    if booking.confirmed_at is not None or booking.conditions_version == 0 or booking.booking_id in at_door:
        return _DOOR
    return ONLINE


def _payment_state(booking: sales.commands.Booking, total: int) -> str:
    if booking.payment_id is not None:
        return "paid" if booking.captured_at is None else "captured"
    return "due" if total and booking.ended_at is None else "nothing"


def _show_ticket(ticket: sales.commands.Ticket, currency: str, *, confirmed: bool) -> TicketView:
    """Return a ticket. Its code is its id, which finds it, and its secret, which proves it."""
    ticket_id = show_id("tkt", ticket.ticket_id)
    price = Money(ticket.price_minor, currency)
    total = ticket.total_minor()
    return TicketView(
        ticket_id,
        show_id("tty", ticket.ticket_type_id),
        price,
        Money(ticket.discount_minor, currency) if ticket.discount_minor else None,
        Money(ticket.fee_minor, currency) if ticket.fee_minor else None,
        Money(ticket.tax_minor, currency) if ticket.tax_minor else None,
        price if total == ticket.price_minor else Money(total, currency),
        ticket.state,
        ticket_id[4:].upper() + show_secret(ticket.secret) if confirmed else None,
        None if ticket.seat_id is None else SeatView(ticket.seat_id, ticket.seat_label or ticket.seat_id),
        ticket.returning_since is not None,
    )


def _show_refund(refund: sales.reads.Refund, currency: str) -> BookingRefundView:
    state = "pending" if refund.settled_at is None else "settled"
    return BookingRefundView(
        show_id("rfd", refund.refund_id),
        Money(refund.amount_minor, currency),
        state,
        refund.decided_at,
        refund.settled_at,
    )
