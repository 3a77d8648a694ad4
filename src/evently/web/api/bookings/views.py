"""Bookings as clients see them.

Amounts of zero are shown as null, which keeps a booking below the size from which compressing pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec.structs import asdict, replace

from evently import sales
from evently.checkout import Payment
from evently.kit.ids import reference_of, show_id
from evently.kit.money import Money
from evently.sales.nouns import Booking, Ticket
from evently.sales.outcomes import Booked, No, Outcome
from evently.sales.states import BookingState, RefundState, TicketState
from evently.sales.ticket_code import write_code
from evently.web.api.payments import PaymentView, show_payment
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import problem
from evently.web.services import Request


class SeatView(msgspec.Struct, frozen=True):
    """A seat: its id on the seat map, and the label that is printed on the ticket."""

    id: str
    label: str


BookingViewT = TypeVar("BookingViewT", bound="BookingView")


class TicketView(msgspec.Struct, frozen=True):
    """One ticket. `code` admits one person.

    The code is null until the booking is confirmed,
    and in the answers for organizers: only the buyer sees it, while they hold the ticket. `passed_on`:
    another person holds it.

    `total` is what the ticket costs: the price, minus the discount, plus the fee if the buyer pays it, plus
    the tax of the price if it is not included. `tax` is all the tax in `total`; `fee_tax` is the part of it
    that is included in the fee. `discount`, `fee`, `tax` and `fee_tax` are null when they are zero.
    `returning`: the buyer returned the ticket, and it is offered to the waitlist; it stays valid until
    another buyer takes it.
    """

    id: str
    ticket_type_id: str
    price: Money
    discount: Money | None
    fee: Money | None
    tax: Money | None
    fee_tax: Money | None
    total: Money
    state: TicketState
    code: str | None
    seat: SeatView | None
    returning: bool
    passed_on: bool


class BookingView(msgspec.Struct, frozen=True):
    """A booking. `total` is what its valid tickets cost, `amount_due` the part of it that is not paid yet.

    `payment`: how it is paid, `online`, at the `door`, or `none`. `payment_state`: nothing (nothing to
    pay), due, paid (the money is authorised) or captured (the money is collected). `refunded` counts
    refunds that are decided, settled or not. `paid` and `refunded` are null when they are zero.
    `waitlist_entry_id`: the waitlist entry to which this booking is or was offered.
    """

    id: str
    reference: str
    event_id: str
    buyer_id: str
    state: BookingState
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
    """A refund of the booking. `state`: pending (not paid back yet) or settled."""

    id: str
    amount: Money
    state: RefundState
    decided_at: datetime
    settled_at: datetime | None


class BookingDetailsView(BookingView, frozen=True):
    """A booking with its refunds and its latest payment.

    `cancellation_quote` is the address that quotes the refund of a cancellation.
    """

    cancellation_quote: str
    refunds: list[BookingRefundView]
    latest_payment: PaymentView | None


def show_booking(booking: Booking) -> BookingView:
    """Return a booking as clients see it. Deterministic: a repeated request gets the first answer again."""
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
        booking.payment,
        state,
        Money(booking.paid_minor, currency) if booking.paid_minor else None,
        Money(paid_back, currency) if (paid_back := booking.refunded_minor + booking.outside_minor) else None,
        booking.extended,
        None if booking.entry_id is None else show_id("wle", booking.entry_id),
        [_show_ticket(ticket, currency, confirmed=confirmed) for ticket in booking.tickets],
    )


def show_booking_without_codes(booking: Booking) -> BookingView:
    """Return the view of a booking for others than its buyer: a code opens the door to its reader."""
    return without_codes(show_booking(booking))


def without_codes(view: BookingViewT) -> BookingViewT:
    """Return a view of a booking without the codes of its tickets."""
    return replace(view, tickets=[replace(ticket, code=None) for ticket in view.tickets])


def show_booking_details(
    booking: Booking,
    refunds: Sequence[sales.reads.Refund],
    payment: Payment | None,
) -> BookingDetailsView:
    """Return a booking with its refunds and its latest payment."""
    view = show_booking(booking)
    return BookingDetailsView(
        **asdict(view),
        cancellation_quote=f"/v1/bookings/{view.id}/cancellation-quote",
        refunds=[_show_refund(refund, booking.currency) for refund in refunds],
        latest_payment=None if payment is None else show_payment(payment),
    )


def answer_booking(
    request: Request, outcome: Outcome, *, created: bool = False, with_codes: bool = True
) -> Response[BookingView]:
    """Return the response to the outcome of a command about a booking; `with_codes` for its buyer."""
    if isinstance(outcome, No):
        # No exception: thousands of commands per second can be refused.
        return problem(request, outcome.as_error())
    assert isinstance(outcome, Booked), "the outcome of a booking command is a booking"
    booking = outcome.booking
    view = show_booking(booking) if with_codes else show_booking_without_codes(booking)
    headers = dict(NO_STORE)
    if created:
        headers["location"] = f"/v1/bookings/{view.id}"
    if outcome.replayed:
        headers["idempotent-replayed"] = "true"
    return Response(view, status_code=201 if created else 200, headers=headers)


def _payment_state(booking: Booking, total: int) -> str:
    if booking.payment_id is not None:
        return "paid" if booking.captured_at is None else "captured"
    return "due" if total and booking.ended_at is None else "nothing"


def _show_ticket(ticket: Ticket, currency: str, *, confirmed: bool) -> TicketView:
    """Return a ticket as clients see it."""
    shown_id = show_id("tkt", ticket.ticket_id)
    price = Money(ticket.price_minor, currency)
    total = ticket.total_minor()
    tax = ticket.all_tax_minor()
    return TicketView(
        shown_id,
        show_id("tty", ticket.ticket_type_id),
        price,
        Money(ticket.discount_minor, currency) if ticket.discount_minor else None,
        Money(ticket.fee_minor, currency) if ticket.fee_minor else None,
        Money(tax, currency) if tax else None,
        Money(ticket.fee_tax_minor, currency) if ticket.fee_tax_minor else None,
        price if total == ticket.price_minor else Money(total, currency),
        ticket.state,
        write_code(shown_id, ticket.secret) if confirmed and ticket.holder_id is None else None,
        None if ticket.seat_id is None else SeatView(ticket.seat_id, ticket.seat_label or ticket.seat_id),
        ticket.returning_since is not None,
        ticket.holder_id is not None,
    )


def _show_refund(refund: sales.reads.Refund, currency: str) -> BookingRefundView:
    return BookingRefundView(
        show_id("rfd", refund.refund_id),
        Money(refund.amount_minor, currency),
        refund.state,
        refund.decided_at,
        refund.settled_at,
    )
