"""Applies booking facts to the replayed sale, with their units and seats."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from evently.sales import facts
from evently.sales.replay import add_ons, money, waitlist
from evently.sales.replay.state import (
    Cancelled,
    Contradiction,
    Placed,
    PromoUse,
    Replacement,
    ReplayedBooking,
    ReplayedRefund,
    ReplayedSale,
    TicketDetails,
)
from evently.sales.states import BookingState


def place_confirmed(sale: ReplayedSale, fact: facts.BookingConfirmed) -> None:
    """Place a booking that was confirmed in one step."""
    if sale.follows(fact.booking_id):
        booking = _add(sale, fact, "confirmed")
        booking.confirmed_at = sale.at
        due = money.post_confirmation(sale, booking, fact.tickets, "door")
        booking.payment = "door" if due else "none"
    _take(sale, fact, ())
    sale.count(fact.tickets, sold=1)
    _count_sale(sale, fact.tickets)


def place_held(sale: ReplayedSale, fact: facts.BookingHeld) -> None:
    """Place a held booking."""
    if sale.follows(fact.booking_id):
        booking = _add(sale, fact, "held")
        booking.expires_at, booking.entry_id = fact.expires_at, fact.entry_id
        booking.payment = money.payment_of(sale, booking, fact.tickets)
    _take(sale, fact, fact.replaces)
    sale.count(fact.tickets, held=1)


def _add(sale: ReplayedSale, fact: Placed, state: BookingState) -> ReplayedBooking:
    if fact.booking_id in sale.bookings:
        raise Contradiction(f"{fact.booking_id} was placed twice")
    booking = ReplayedBooking(
        fact.buyer_id,
        state,
        sale.now(),
        None,
        None,
        None,
        _by_id(fact.tickets),
        _details_of(fact),
        fact.conditions_version,
        fact.promo_id,
    )
    sale.bookings[fact.booking_id] = booking
    return booking


def _details_of(fact: Placed) -> dict[UUID, TicketDetails]:
    replaces = fact.replaces if isinstance(fact, facts.BookingHeld) else ()
    if not (fact.money or fact.seats or replaces or fact.fee_taxes):
        return {}
    more: dict[UUID, TicketDetails] = {}
    for index, (ticket_id, _, _) in enumerate(fact.tickets):
        amounts = fact.money[index] if fact.money else (0, 0, 0, 0)
        fee_tax = fact.fee_taxes[index] if fact.fee_taxes else 0
        if not 0 <= fee_tax <= amounts[2]:
            raise Contradiction(f"the tax in a fee of {amounts[2]} of ticket {ticket_id} is {fee_tax}")
        seat = fact.seats[index] if fact.seats else -1
        more[ticket_id] = TicketDetails(
            *amounts, fee_tax, None if seat < 0 else seat, replaces[index] if replaces else None
        )
    return more


def _take(sale: ReplayedSale, fact: Placed, replaces: Sequence[UUID | None]) -> None:
    """Check the terms; apply the use of a promo code, the replacement tickets and the seats."""
    _check_terms(sale, fact)
    if fact.promo_id is not None:
        use = PromoUse(fact.promo_id, fact.buyer_id, sum([amounts[0] for amounts in fact.money]))
        money.use_promo(sale, fact.booking_id, use, fact.tickets)
    if not (fact.seats or replaces):
        return
    for index, (ticket_id, type_id, _) in enumerate(fact.tickets):
        if replaces and (other := replaces[index]) is not None:
            if other not in sale.returning:
                raise Contradiction(f"ticket {other} is offered, but was not returned")
            sale.replacements[ticket_id] = Replacement(type_id, "held")
        elif fact.seats and fact.seats[index] >= 0:
            sale.take_seat(fact.seats[index], ticket_id)


def _check_terms(sale: ReplayedSale, fact: Placed) -> None:
    """Check that the tickets were on sale, at this price, under these conditions."""
    at = sale.now()
    if (
        sale.state != "open"
        or sale.on_sale_at is None
        or sale.off_sale_at is None
        or not sale.on_sale_at <= at < sale.off_sale_at
    ):
        raise Contradiction(
            f"{fact.booking_id} was placed while the sale was {sale.state}, or outside its window"
        )
    if fact.conditions_version != len(sale.conditions):
        raise Contradiction(
            f"{fact.booking_id} has conditions {fact.conditions_version}, of {len(sale.conditions)}"
        )
    terms, has_add_ons = None, False
    for ticket_id, type_id, price in fact.tickets:
        if terms is None or terms.ticket_type_id != type_id:
            terms = sale.types[type_id]
            has_add_ons = has_add_ons or bool(terms.needed_ids)
            if (
                type_id in sale.retired
                or at < (terms.on_sale_at or at)
                or (terms.off_sale_at is not None and at >= terms.off_sale_at)
            ):
                raise Contradiction(f"ticket type {type_id} was not on sale")
        if price != terms.price_minor:
            raise Contradiction(f"ticket {ticket_id} was sold for {price}, not {terms.price_minor}")
    if has_add_ons:
        add_ons.check_placed(sale, fact)


def confirm(sale: ReplayedSale, fact: facts.HoldConfirmed) -> None:
    """Confirm a hold."""
    if booking := _held(sale, fact):
        if booking.expires_at is not None and sale.now() >= booking.expires_at:
            raise Contradiction(f"{fact.booking_id} was confirmed after it had expired")
        booking.state, booking.confirmed_at = "confirmed", sale.at
        booking.payment_id, booking.paid_minor = fact.payment_id, fact.paid_minor
        if fact.payment_id is not None:
            booking.payment = "online"
        elif booking.payment == "online":
            booking.payment = "door"
        due = money.post_confirmation(
            sale, booking, fact.tickets, "door" if fact.payment_id is None else "buyer"
        )
        if fact.payment_id is not None and due != fact.paid_minor:
            raise Contradiction(f"{fact.booking_id} costs {due}, but {fact.paid_minor} was paid")
    sale.count(fact.tickets, held=-1, sold=1)
    if sale.replacements:
        for ticket_id, _, _ in fact.tickets:
            if replacement := sale.replacements.get(ticket_id):
                replacement.state = "confirmed"
    _count_sale(sale, fact.tickets)


def extend(sale: ReplayedSale, fact: facts.HoldExtended) -> None:
    """Extend a hold: once on request, and once when an offer is accepted."""
    booking = sale.in_state(fact.booking_id, "held")
    if booking is None:
        return
    if booking.expires_at is None or fact.expires_at < booking.expires_at:
        raise Contradiction(f"{fact.booking_id} was made shorter")
    booking.expires_at = fact.expires_at
    if sale.accepted == fact.booking_id:
        return
    if booking.extended:
        raise Contradiction(f"{fact.booking_id} was extended twice")
    booking.extended = True


def expire(sale: ReplayedSale, fact: facts.HoldExpired) -> None:
    """Expire a hold."""
    if booking := _held(sale, fact):
        booking.state, booking.ended_at = "expired", sale.at
        _end_offer(sale, booking)
    _end(sale, fact.booking_id, fact.tickets, fact.freed, was="held", whole=True)


def cancel(sale: ReplayedSale, fact: Cancelled) -> None:
    """Cancel a booking, or some of its tickets."""
    whole = isinstance(fact, facts.BookingCancelled)
    if fact.reason:
        sale.reasons[f"{sale.seq}.{sale.line}"] = (fact.booking_id, fact.reason)
    for ticket_id, _, _ in fact.tickets:
        if ticket_id in sale.check_ins:
            raise Contradiction(f"ticket {ticket_id} was used, and cancelled after that")
    if booking := sale.in_state(fact.booking_id, fact.was):
        if fact.was == "confirmed":
            money.post_cancellation(sale, booking, fact)
        before = list(booking.tickets.values())
        _void(booking, fact)
        add_ons.check_cancelled(sale, booking, before, fact)
        if whole == bool(booking.tickets):
            raise Contradiction(f"{fact.booking_id} has {len(booking.tickets)} tickets left")
        if whole:
            booking.state, booking.ended_at = "cancelled", sale.at
            _end_offer(sale, booking)
        booking.refunded_minor += fact.refund_minor
        if booking.refunded_minor + booking.outside_minor > booking.paid_minor:
            raise Contradiction(
                f"{booking.refunded_minor} is refunded for {fact.booking_id},"
                f" but {booking.paid_minor} was paid"
            )
    if (fact.refund_id is None) != (fact.refund_minor == 0) or fact.refund_minor < 0:
        raise Contradiction(
            f"{fact.refund_minor} is refunded for {fact.booking_id} with refund {fact.refund_id}"
        )
    if fact.refund_id is not None:
        if fact.refund_id in sale.refunds:
            raise Contradiction(f"refund {fact.refund_id} was decided twice")
        sale.refunds[fact.refund_id] = ReplayedRefund(fact.booking_id, fact.refund_minor, sale.now())
    _end(sale, fact.booking_id, fact.tickets, fact.freed, was=fact.was, whole=whole)
    if fact.was == "confirmed":
        sale.totals.cancelled_bookings += whole
        sale.totals.cancelled_tickets += len(fact.tickets)
        sale.totals.cancelled_minor += sum([price for _, _, price in fact.tickets])


def unbind(sale: ReplayedSale, fact: facts.TicketUnbound) -> None:
    """The returned ticket was voided: its unit and seat become the replacement's own."""
    replacement = sale.replacements.pop(fact.ticket_id)
    held = replacement.state == "held"
    sale.count([(fact.ticket_id, replacement.ticket_type_id, 0)], held=held, sold=not held)
    if fact.seat is not None:
        sale.take_seat(fact.seat, fact.ticket_id)
    if sale.follows(fact.booking_id):
        more = sale.bookings[fact.booking_id].more
        if more[fact.ticket_id].seat != fact.seat:
            raise Contradiction(f"ticket {fact.ticket_id} was offered another seat")
        more[fact.ticket_id] = more[fact.ticket_id]._replace(replaces=None)


def return_tickets(sale: ReplayedSale, fact: facts.TicketsReturned) -> None:
    """Return tickets to the waitlist."""
    _check_owner(sale, fact)
    if not sale.passing.keys().isdisjoint(fact.ticket_ids) or not sale.holders.keys().isdisjoint(
        fact.ticket_ids
    ):
        raise Contradiction(
            f"tickets of {fact.booking_id} were returned that another person holds or may accept"
        )
    sale.extras |= waitlist.HAS_RETURNS
    sale.returning.update(dict.fromkeys(fact.ticket_ids, sale.now()))


def keep_tickets(sale: ReplayedSale, fact: facts.TicketsKept) -> None:
    """Keep returned tickets."""
    _check_owner(sale, fact)
    for ticket_id in fact.ticket_ids:
        del sale.returning[ticket_id]


def _check_owner(sale: ReplayedSale, fact: facts.TicketsReturned | facts.TicketsKept) -> None:
    booking = sale.in_state(fact.booking_id, "confirmed")
    if booking is not None and not booking.tickets.keys() >= set(fact.ticket_ids):
        raise Contradiction(f"{fact.booking_id} does not have these tickets")


def _held(sale: ReplayedSale, fact: facts.HoldConfirmed | facts.HoldExpired) -> ReplayedBooking | None:
    """Return a held booking that must have exactly these tickets; None when it is in another part."""
    booking = sale.in_state(fact.booking_id, "held")
    if booking is not None and booking.tickets != _by_id(fact.tickets):
        raise Contradiction(f"{fact.booking_id} has other tickets")
    return booking


def _end_offer(sale: ReplayedSale, booking: ReplayedBooking) -> None:
    if booking.entry_id is not None:
        sale.offers_ended.append(booking.entry_id)


def _void(booking: ReplayedBooking, fact: Cancelled) -> None:
    for ticket_id, type_id, price in fact.tickets:
        if booking.tickets.pop(ticket_id) != (type_id, price):
            raise Contradiction(f"ticket {ticket_id} was another when it was booked")
        booking.voided[ticket_id] = (type_id, price)
        if (more := booking.more.get(ticket_id)) is not None and more.replaces is not None:
            booking.more[ticket_id] = more._replace(replaces=None)


def _end(
    sale: ReplayedSale,
    booking_id: UUID,
    tickets: Sequence[facts.TicketFact],
    freed: Sequence[int],
    *,
    was: BookingState,
    whole: bool,
) -> None:
    """Release what ended tickets had: units, seats, the use of a promo code."""
    held = was == "held"
    sale.count(tickets, held=-1 if held else 0, sold=0 if held else -1)
    ended = {ticket_id for ticket_id, _, _ in tickets}
    for number in freed:
        if sale.seats.pop(number) not in ended:
            raise Contradiction(f"seat {number} was released by tickets that did not have it")
    for ticket_id in ended:
        sale.returning.pop(ticket_id, None)
        sale.replacements.pop(ticket_id, None)
        if ticket_id in sale.passing:
            raise Contradiction(f"ticket {ticket_id} is void, but another person may still accept it")
    if whole:
        money.release_promo(sale, booking_id)


def _count_sale(sale: ReplayedSale, tickets: Sequence[facts.TicketFact]) -> None:
    sale.totals.bookings += 1
    sale.totals.tickets += len(tickets)
    sale.totals.amount_minor += sum([price for _, _, price in tickets])


def _by_id(tickets: Sequence[facts.TicketFact]) -> dict[UUID, tuple[UUID, int]]:
    return {ticket_id: (type_id, price) for ticket_id, type_id, price in tickets}
