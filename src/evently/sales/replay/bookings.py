"""How bookings go on, told by the journal: placed, confirmed, extended, expired, cancelled; with their units and seats."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from evently.sales import facts as fact
from evently.sales.replay import money, waitlist
from evently.sales.replay.state import (
    Cancelled,
    Contradiction,
    Placed,
    Replacement,
    ReplayedBooking,
    ReplayedRefund,
    ReplayedSale,
    TicketDetails,
)


def place_confirmed(told: ReplayedSale, happened: fact.BookingConfirmed) -> None:
    """Units were booked and confirmed in one step."""
    if told.follows(happened.booking_id):
        booking = _add(told, happened, "confirmed")
        booking.confirmed_at = told.at
        money.post_confirmation(told, booking, happened.tickets, "door")
    _take(told, happened, ())
    told.count(happened.tickets, sold=1)
    _count_sale(told, happened.tickets)


def place_held(told: ReplayedSale, happened: fact.BookingHeld) -> None:
    """Units were held."""
    if told.follows(happened.booking_id):
        booking = _add(told, happened, "held")
        booking.expires_at, booking.entry_id = happened.expires_at, happened.entry_id
    _take(told, happened, happened.replaces)
    told.count(happened.tickets, held=1)


def _add(told: ReplayedSale, happened: Placed, state: str) -> ReplayedBooking:
    if happened.booking_id in told.bookings:
        raise Contradiction(f"{happened.booking_id} was placed twice")
    booking = ReplayedBooking(
        happened.buyer_id,
        state,
        told.now(),
        None,
        None,
        None,
        _by_id(happened.tickets),
        _more_of(happened),
        happened.conditions_version,
        happened.promo_id,
    )
    told.bookings[happened.booking_id] = booking
    return booking


def _more_of(happened: Placed) -> dict[UUID, TicketDetails]:
    replaces = happened.replaces if isinstance(happened, fact.BookingHeld) else ()
    if not (happened.money or happened.seats or replaces):
        return {}
    more: dict[UUID, TicketDetails] = {}
    for place, (ticket_id, _, _) in enumerate(happened.tickets):
        amounts = happened.money[place] if happened.money else (0, 0, 0, 0)
        seat = happened.seats[place] if happened.seats else -1
        more[ticket_id] = TicketDetails(
            *amounts, None if seat < 0 else seat, replaces[place] if replaces else None
        )
    return more


def _take(told: ReplayedSale, happened: Placed, replaces: Sequence[UUID | None]) -> None:
    """Note under which terms, with which promo code, which tickets stand for returned ones, and which seats the others take."""
    _look_at_terms(told, happened)
    if happened.promo_id is not None:
        money.use_promo(told, happened)
    if not (happened.seats or replaces):
        return
    for place, (ticket_id, type_id, _) in enumerate(happened.tickets):
        if replaces and (other := replaces[place]) is not None:
            if other not in told.returning:
                raise Contradiction(f"ticket {other} is offered, and was not returned")
            told.standing[ticket_id] = Replacement(type_id, "held")
        elif happened.seats and happened.seats[place] >= 0:
            told.take_seat(happened.seats[place], ticket_id)


def _look_at_terms(told: ReplayedSale, happened: Placed) -> None:
    """Look at whether this was on sale, at this price, under these conditions."""
    at = told.now()
    if (
        told.state != "open"
        or told.on_sale_at is None
        or told.off_sale_at is None
        or not told.on_sale_at <= at < told.off_sale_at
    ):
        raise Contradiction(
            f"{happened.booking_id} was placed while the sale was {told.state}, or outside of its window"
        )
    if happened.conditions_version != len(told.conditions):
        raise Contradiction(
            f"{happened.booking_id} has conditions {happened.conditions_version}, of {len(told.conditions)}"
        )
    terms = None
    for ticket_id, type_id, price in happened.tickets:
        if terms is None or terms.ticket_type_id != type_id:
            terms = told.types[type_id]
            if (
                type_id in told.retired
                or at < (terms.on_sale_at or at)
                or (terms.off_sale_at is not None and at >= terms.off_sale_at)
            ):
                raise Contradiction(f"ticket type {type_id} was not on sale")
        if price != terms.price_minor:
            raise Contradiction(f"ticket {ticket_id} was sold for {price}, not {terms.price_minor}")


def confirm(told: ReplayedSale, happened: fact.HoldConfirmed) -> None:
    """A hold became a confirmed booking."""
    if booking := _held(told, happened):
        if booking.expires_at is not None and told.now() >= booking.expires_at:
            raise Contradiction(f"{happened.booking_id} was confirmed after it had run out")
        booking.state, booking.confirmed_at = "confirmed", told.at
        booking.payment_id, booking.paid_minor = happened.payment_id, happened.paid_minor
        due = money.post_confirmation(
            told, booking, happened.tickets, "door" if happened.payment_id is None else "buyer"
        )
        if happened.payment_id is not None and due != happened.paid_minor:
            raise Contradiction(f"{happened.booking_id} costs {due}, and {happened.paid_minor} was paid")
    told.count(happened.tickets, held=-1, sold=1)
    if told.standing:
        for ticket_id, _, _ in happened.tickets:
            if standing := told.standing.get(ticket_id):
                standing.state = "confirmed"
    _count_sale(told, happened.tickets)


def extend(told: ReplayedSale, happened: fact.HoldExtended) -> None:
    """A hold lasts longer: once for whoever asks, and once for whoever accepts an offer."""
    booking = told.in_state(happened.booking_id, "held")
    if booking is None:
        return
    if booking.expires_at is None or happened.expires_at < booking.expires_at:
        raise Contradiction(f"{happened.booking_id} was made shorter")
    booking.expires_at = happened.expires_at
    if told.accepted == happened.booking_id:
        return
    if booking.extended:
        raise Contradiction(f"{happened.booking_id} was extended twice")
    booking.extended = True


def expire(told: ReplayedSale, happened: fact.HoldExpired) -> None:
    """A hold was not confirmed in time."""
    if booking := _held(told, happened):
        booking.state, booking.ended_at = "expired", told.at
        _end_offer(told, booking)
    _end(told, happened.booking_id, happened.tickets, happened.freed, was="held", whole=True)


def cancel(told: ReplayedSale, happened: Cancelled) -> None:
    """A booking ended, or some of its tickets."""
    whole = isinstance(happened, fact.BookingCancelled)
    if booking := told.in_state(happened.booking_id, happened.was):
        if happened.was == "confirmed":
            money.post_cancellation(told, booking, happened)
        _void(booking, happened)
        if whole == bool(booking.tickets):
            raise Contradiction(f"{happened.booking_id} has {len(booking.tickets)} tickets left")
        if whole:
            booking.state, booking.ended_at = "cancelled", told.at
            _end_offer(told, booking)
        booking.refunded_minor += happened.refund_minor
        if booking.refunded_minor > booking.paid_minor:
            raise Contradiction(
                f"{happened.booking_id} was paid {booking.paid_minor}, and {booking.refunded_minor} is to be paid back"
            )
    if (happened.refund_id is None) != (happened.refund_minor == 0) or happened.refund_minor < 0:
        raise Contradiction(
            f"{happened.refund_minor} is to be paid back for {happened.booking_id} with refund {happened.refund_id}"
        )
    if happened.refund_id is not None:
        if happened.refund_id in told.refunds:
            raise Contradiction(f"refund {happened.refund_id} was decided twice")
        told.refunds[happened.refund_id] = ReplayedRefund(
            happened.booking_id, happened.refund_minor, told.now()
        )
    _end(told, happened.booking_id, happened.tickets, happened.freed, was=happened.was, whole=whole)
    if happened.was == "confirmed":
        told.totals.cancelled_bookings += whole
        told.totals.cancelled_tickets += len(happened.tickets)
        told.totals.cancelled_minor += sum([price for _, _, price in happened.tickets])


def unbind(told: ReplayedSale, happened: fact.TicketUnbound) -> None:
    """A ticket that stood for another one has its unit and seat now."""
    standing = told.standing.pop(happened.ticket_id)
    held = standing.state == "held"
    told.count([(happened.ticket_id, standing.ticket_type_id, 0)], held=held, sold=not held)
    if happened.seat is not None:
        told.take_seat(happened.seat, happened.ticket_id)
    if told.follows(happened.booking_id):
        more = told.bookings[happened.booking_id].more
        if more[happened.ticket_id].seat != happened.seat:
            raise Contradiction(f"ticket {happened.ticket_id} was offered another seat")
        more[happened.ticket_id] = more[happened.ticket_id]._replace(replaces=None)


def return_tickets(told: ReplayedSale, happened: fact.TicketsReturned) -> None:
    """A holder would let tickets go."""
    told.extras |= waitlist.HAS_RETURNS
    told.returning.update(dict.fromkeys(happened.ticket_ids, told.now()))


def keep_tickets(told: ReplayedSale, happened: fact.TicketsKept) -> None:
    """A holder took that back."""
    for ticket_id in happened.ticket_ids:
        del told.returning[ticket_id]


def _held(told: ReplayedSale, happened: fact.HoldConfirmed | fact.HoldExpired) -> ReplayedBooking | None:
    """Return the booking whose hold ends, with just those tickets; None when it is not of this part."""
    booking = told.in_state(happened.booking_id, "held")
    if booking is not None and booking.tickets != _by_id(happened.tickets):
        raise Contradiction(f"{happened.booking_id} has other tickets")
    return booking


def _end_offer(told: ReplayedSale, booking: ReplayedBooking) -> None:
    if booking.entry_id is not None:
        told.offers_ended.append(booking.entry_id)


def _void(booking: ReplayedBooking, happened: Cancelled) -> None:
    for ticket_id, type_id, price in happened.tickets:
        if booking.tickets.pop(ticket_id) != (type_id, price):
            raise Contradiction(f"ticket {ticket_id} was another when it was booked")
        booking.voided[ticket_id] = (type_id, price)
        if (more := booking.more.get(ticket_id)) is not None and more.replaces is not None:
            booking.more[ticket_id] = more._replace(replaces=None)


def _end(
    told: ReplayedSale,
    booking_id: UUID,
    tickets: Sequence[fact.TicketFact],
    freed: Sequence[int],
    *,
    was: str,
    whole: bool,
) -> None:
    """Give back what tickets had: units, seats, the use of a promo code."""
    held = was == "held"
    told.count(tickets, held=-1 if held else 0, sold=0 if held else -1)
    gone = {ticket_id for ticket_id, _, _ in tickets}
    for number in freed:
        if told.seats.pop(number) not in gone:
            raise Contradiction(f"seat {number} was freed by somebody who did not have it")
    for ticket_id in gone:
        told.returning.pop(ticket_id, None)
        told.standing.pop(ticket_id, None)
    if whole:
        money.give_promo_back(told, booking_id)


def _count_sale(told: ReplayedSale, tickets: Sequence[fact.TicketFact]) -> None:
    told.totals.bookings += 1
    told.totals.tickets += len(tickets)
    told.totals.amount_minor += sum([price for _, _, price in tickets])


def _by_id(tickets: Sequence[fact.TicketFact]) -> dict[UUID, tuple[UUID, int]]:
    return {ticket_id: (type_id, price) for ticket_id, type_id, price in tickets}
