"""The rules of bookings that are there: hold, confirm, extend, cancel, expire, return; what is paid and what is paid back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from evently.sales import facts as fact
from evently.sales.commands import (
    AcceptOffer,
    Booked,
    Booking,
    CancelBooking,
    ConfirmBooking,
    ExpireHolds,
    ExtendHold,
    KeepTickets,
    LeaveWaitlist,
    Listed,
    No,
    Outcome,
    RecordCapture,
    RecordRefund,
    ReturnTickets,
    SalesRefusal,
    Ticket,
)
from evently.sales.commands import Done as Nothing
from evently.sales.rules import ledger
from evently.sales.rules import waitlist as waitlist_rules
from evently.sales.rules.moves import (
    claim_seat,
    freed_by,
    give_back,
    give_promo_back,
    is_due,
    move_units,
    not_selling,
    remember,
    ticket_facts,
    valid_tickets,
    without,
)
from evently.sales.rules.pricing import cancellable_until, refund_of, refundable_of
from evently.sales.rules.state import Batch, Refund, ReturnedTicket, Sale
from evently.sales.terms import Conditions

# Hold -------------------------------------------------------------------------------------------------------


def confirm_booking(sale: Sale, batch: Batch, command: ConfirmBooking) -> Outcome:
    """Let a hold be a booking, paid as its conditions ask for.

    The same payment confirms it again, harmlessly.
    """
    booking = batch.bookings.get(command.booking_id)
    if booking is None:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    if (
        booking.state == "confirmed"
        and command.payment_id is not None
        and booking.payment_id == command.payment_id
    ):
        return Booked(booking)
    if booking.state == "confirmed":
        return No(SalesRefusal.ALREADY_CONFIRMED)
    if booking.state == "cancelled":
        return No(SalesRefusal.ALREADY_CANCELLED)
    if booking.state == "expired" or is_due(booking, batch.now):
        return No(SalesRefusal.HOLD_EXPIRED)
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if no := _wrongly_paid(sale, booking, command):
        return no
    if no := _not_replaceable(batch, booking):
        return no
    # After this point the booking must succeed.
    return Booked(_confirm(sale, batch, booking, command.payment_id, command.amount_minor))


def _wrongly_paid(sale: Sale, booking: Booking, command: ConfirmBooking) -> No | None:
    due = booking.total_minor()
    if command.payment_id is None and (due == 0 or sale.conditions_of(booking).payment == "door"):
        return None
    if command.payment_id is not None and command.amount_minor == due > 0:
        return None
    return No(SalesRefusal.PAYMENT_MISMATCH, "amount", {"due_minor": due, "paid_minor": command.amount_minor})


def _not_replaceable(batch: Batch, booking: Booking) -> No | None:
    """Return why the returned tickets that an offer stands for cannot be had any more: somebody was let in with one."""
    for ticket in valid_tickets(booking):
        if ticket.replaces is not None:
            theirs = next(
                each
                for other in batch.bookings.values()
                for each in other.tickets
                if each.ticket_id == ticket.replaces
            )
            if theirs.state == "used":
                return No(SalesRefusal.OFFER_EXPIRED, "ticket_used")
    return None


def _confirm(sale: Sale, batch: Batch, booking: Booking, payment_id: UUID | None, paid_minor: int) -> Booking:
    tickets = valid_tickets(booking)
    move_units(sale, batch, tickets, held=-1, sold=+1)
    batch.facts.append(fact.HoldConfirmed(booking.booking_id, ticket_facts(tickets), payment_id, paid_minor))
    waitlist_rules.fulfil(sale, batch, booking)
    if any(ticket.replaces for ticket in tickets):
        booking = _replace_tickets(sale, batch, booking)
    confirmed = replace(
        booking, state="confirmed", confirmed_at=batch.now, payment_id=payment_id, paid_minor=paid_minor
    )
    remember(batch, confirmed)
    batch.postings += ledger.confirmed(booking.booking_id, tickets, "door" if payment_id is None else "buyer")
    return confirmed


def _replace_tickets(sale: Sale, batch: Batch, booking: Booking) -> Booking:
    """Let the returned tickets that an offer stands for end, and have their units and seats.

    Their holders are paid back.
    """
    replaced = {ticket.replaces: ticket for ticket in valid_tickets(booking) if ticket.replaces is not None}
    holders = [
        other
        for other in batch.bookings.values()
        if any(each.ticket_id in replaced for each in other.tickets)
    ]
    for holder in holders:
        theirs = tuple([each for each in holder.tickets if each.ticket_id in replaced])
        for each in theirs:
            del sale.returned[each.ticket_id]
        conditions = sale.conditions_of(holder)
        refund_minor = (
            sum([refundable_of(each, conditions) for each in theirs]) if holder.payment_id is not None else 0
        )
        _end_tickets(sale, batch, holder, theirs, refund_minor)
    return _with_own(
        sale,
        batch,
        replace(booking, state="confirmed"),
        [replace(ticket, replaces=None) for ticket in replaced.values()],
    )


def extend_hold(sale: Sale, batch: Batch, command: ExtendHold) -> Outcome:
    """Give a hold its time once more. An offer has its own time."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None or booking.buyer_id != command.buyer_id:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    if no := _not_held(booking, batch):
        return no
    if booking.extended:
        return No(SalesRefusal.ALREADY_EXTENDED)
    entry = None if booking.entry_id is None else batch.entries[booking.entry_id]
    if entry is not None and entry.state == "offered":
        return No(SalesRefusal.ALREADY_EXTENDED, "offer_not_accepted")
    # After this point the hold must last longer.
    extended = _last_until(batch, booking, sale.conditions_of(booking).hold_seconds)
    remember(batch, replace(extended, extended=True))
    return Booked(batch.bookings[booking.booking_id])


def _not_held(booking: Booking, batch: Batch) -> No | None:
    if booking.state == "confirmed":
        return No(SalesRefusal.ALREADY_CONFIRMED)
    if booking.state == "cancelled":
        return No(SalesRefusal.ALREADY_CANCELLED)
    if booking.state == "expired" or is_due(booking, batch.now):
        return No(SalesRefusal.HOLD_EXPIRED)
    return None


def _last_until(batch: Batch, booking: Booking, seconds: int) -> Booking:
    assert booking.expires_at is not None, "a hold ends"
    expires_at = max(booking.expires_at, batch.now + timedelta(seconds=seconds))
    batch.facts.append(fact.HoldExtended(booking.booking_id, expires_at))
    return replace(booking, expires_at=expires_at)


def expire_nothing(_sale: Sale, _batch: Batch, _command: ExpireHolds) -> Outcome:
    """Answer what only gives a reason to run a batch."""
    return Nothing()


def expire(sale: Sale, batch: Batch, booking: Booking) -> None:
    """Take back a hold that has run out."""
    assert is_due(booking, batch.now), "only a due hold expires"
    tickets = valid_tickets(booking)
    batch.facts.append(fact.HoldExpired(booking.booking_id, ticket_facts(tickets), freed_by(tickets)))
    give_back(sale, batch, booking, tickets)
    give_promo_back(sale, batch, booking)
    waitlist_rules.end_offer(sale, batch, booking, "lapsed")
    remember(batch, replace(booking, state="expired", ended_at=batch.now))


# Cancel -----------------------------------------------------------------------------------------------------


def cancel_booking(sale: Sale, batch: Batch, command: CancelBooking) -> Outcome:
    """End a booking or some of its tickets, and decide what is paid back."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None or command.buyer_id not in (None, booking.buyer_id):
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    conditions = sale.conditions_of(booking)
    if no := not_cancellable(booking, conditions, command.not_after, batch.now):
        return no
    chosen = chosen_tickets(booking, command.ticket_ids)
    if isinstance(chosen, No):
        return chosen
    # After this point the cancellation must succeed.
    return Booked(
        _end_tickets(
            sale,
            batch,
            booking,
            chosen,
            _refund(booking, chosen, conditions, command, batch),
            unpaid=command.unpaid,
        )
    )


def not_cancellable(
    booking: Booking, conditions: Conditions, not_after: datetime | None, now: datetime
) -> No | None:
    """Return why a booking cannot be cancelled any more; `not_after` is the start of the event, for a buyer."""
    if booking.state == "cancelled":
        return No(SalesRefusal.ALREADY_CANCELLED)
    if booking.state == "expired":
        return No(SalesRefusal.HOLD_EXPIRED)
    if not_after is None:
        return None
    until = cancellable_until(conditions, not_after) if booking.state == "confirmed" else not_after
    return No(SalesRefusal.TOO_LATE_TO_CANCEL) if now >= until else None


def _refund(
    booking: Booking, chosen: Sequence[Ticket], conditions: Conditions, command: CancelBooking, batch: Batch
) -> int:
    if booking.payment_id is None or command.unpaid:
        return 0
    if command.buyer_id is None or command.not_after is None:
        return sum([ticket.total_minor() for ticket in chosen])
    starts_at = command.not_after
    return sum([refund_of(ticket, conditions, starts_at, batch.now) for ticket in chosen])


def _end_tickets(
    sale: Sale,
    batch: Batch,
    booking: Booking,
    chosen: tuple[Ticket, ...],
    refund_minor: int,
    *,
    unpaid: bool = False,
) -> Booking:
    """Let tickets of a booking end, and the booking with the last of them."""
    returned = [
        each for each in [sale.returned.pop(ticket.ticket_id, None) for ticket in chosen] if each is not None
    ]
    left = without(booking, [ticket.ticket_id for ticket in chosen])
    whole = all(ticket.state == "void" for ticket in left)
    batch.voided += [ticket.ticket_id for ticket in chosen]
    refund_id = batch.new_id() if refund_minor else None
    kind = fact.BookingCancelled if whole else fact.TicketsCancelled
    batch.facts.append(
        kind(
            booking.booking_id,
            booking.state,
            ticket_facts(chosen),
            refund_id,
            refund_minor,
            unpaid,
            freed_by(chosen),
        )
    )
    give_back(sale, batch, booking, chosen)
    if booking.state == "confirmed":
        _post_cancellation(sale, batch, booking, chosen, refund_minor, unpaid=unpaid)
    if refund_id is not None:
        batch.refunds_decided.append(Refund(refund_id, booking.booking_id, refund_minor, batch.now))
    ended = replace(booking, tickets=left, refunded_minor=booking.refunded_minor + refund_minor)
    if whole:
        ended = replace(ended, state="cancelled", ended_at=batch.now)
        give_promo_back(sale, batch, booking)
        waitlist_rules.end_offer(sale, batch, booking, "declined")
    remember(batch, ended)
    for each in returned:
        if each.offered:
            _unbind(sale, batch, each)
    return ended


def _unbind(sale: Sale, batch: Batch, returned: ReturnedTicket) -> None:
    """Give the unit and the seat of a returned ticket that has ended to the offer that stood for it."""
    (offer,) = [
        other
        for other in batch.bookings.values()
        if other.state == "held"
        and any(ticket.replaces == returned.ticket_id for ticket in other.tickets)  # not one that has lapsed
    ]
    own = tuple(
        [replace(ticket, replaces=None) for ticket in offer.tickets if ticket.replaces == returned.ticket_id]
    )
    remember(batch, _with_own(sale, batch, offer, own))


def _with_own(sale: Sale, batch: Batch, booking: Booking, own: Sequence[Ticket]) -> Booking:
    """Let tickets of a booking that stood for others have units and seats of their own: those fell free a moment ago."""
    held = booking.state == "held"
    move_units(sale, batch, own, held=1 if held else 0, sold=0 if held else 1)
    for ticket in own:
        batch.facts.append(fact.TicketUnbound(booking.booking_id, ticket.ticket_id, ticket.seat_number))
        batch.unbound.append(ticket.ticket_id)
        if ticket.seat_number is not None:
            assert sale.hall is not None, "a seat is one of the seating"
            sale.hall.take([ticket.seat_number])
            claim_seat(batch, ticket.seat_number, ticket.ticket_id, was_taken=True)
    unbound = {ticket.ticket_id: ticket for ticket in own}
    return replace(
        booking, tickets=tuple([unbound.get(ticket.ticket_id, ticket) for ticket in booking.tickets])
    )


def _post_cancellation(
    sale: Sale, batch: Batch, booking: Booking, chosen: Sequence[Ticket], refund_minor: int, *, unpaid: bool
) -> None:
    if booking.payment_id is None or unpaid:
        batch.postings += ledger.undone(booking.booking_id, chosen, "buyer" if unpaid else "door")
        return
    conditions = sale.conditions_of(booking)
    kept = (
        conditions.fee_kept
        and conditions.fees.paid_by == "buyer"
        and refund_minor < sum([ticket.total_minor() for ticket in chosen])
    )
    batch.postings += ledger.paid_back(booking.booking_id, chosen, refund_minor, fee_kept=kept)


def chosen_tickets(booking: Booking, ticket_ids: tuple[UUID, ...] | None) -> tuple[Ticket, ...] | No:
    """Return the tickets of a booking that are meant, all valid ones when none are named; or why they cannot be."""
    if ticket_ids is None:
        if any(ticket.state == "used" for ticket in booking.tickets):
            return No(
                SalesRefusal.TICKET_USED,
                "name_the_others",
            )
        return valid_tickets(booking)
    assert ticket_ids, "to cancel no ticket is no wish"
    tickets = {ticket.ticket_id: ticket for ticket in booking.tickets}
    if not tickets.keys() >= set(ticket_ids):
        return No(SalesRefusal.UNKNOWN_TICKET)
    chosen = tuple(tickets[ticket_id] for ticket_id in dict.fromkeys(ticket_ids))
    if any(ticket.state == "used" for ticket in chosen):
        return No(SalesRefusal.TICKET_USED)
    if any(ticket.state == "void" for ticket in chosen):
        return No(SalesRefusal.ALREADY_CANCELLED)
    return chosen


# Money ------------------------------------------------------------------------------------------------------


def record_capture(_sale: Sale, batch: Batch, command: RecordCapture) -> Outcome:
    """Note that the payment of a booking was collected."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    if booking.payment_id != command.payment_id:
        return No(SalesRefusal.PAYMENT_MISMATCH, "other_payment")
    if booking.captured_at is not None:
        return Booked(booking)
    # After this point the capture must be noted.
    captured = replace(booking, captured_at=batch.now)
    remember(batch, captured)
    batch.facts.append(fact.PaymentCaptured(booking.booking_id, command.payment_id, booking.paid_minor))
    batch.postings += ledger.captured(booking.booking_id, booking.paid_minor)
    return Booked(captured)


def record_refund(_sale: Sale, batch: Batch, command: RecordRefund) -> Outcome:
    """Note that what was to be paid back was."""
    refund = batch.refunds.get(command.refund_id)
    booking = batch.bookings.get(command.booking_id)
    if refund is None or booking is None or refund.booking_id != booking.booking_id:
        return No(SalesRefusal.REFUND_NOT_FOUND)
    if refund.settled_at is not None:
        return Booked(booking)
    # After this point the refund must be noted.
    batch.refunds[refund.refund_id] = replace(refund, settled_at=batch.now)
    batch.refunds_settled.append(refund.refund_id)
    batch.facts.append(
        fact.RefundSettled(booking.booking_id, refund.refund_id, refund.amount_minor, command.how)
    )
    batch.postings += ledger.settled(booking.booking_id, refund.amount_minor, command.how)
    return Booked(booking)


# Returns ----------------------------------------------------------------------------------------------------


def return_tickets(sale: Sale, batch: Batch, command: ReturnTickets) -> Outcome:
    """Let tickets of a sold-out ticket type go to whoever waits; until then they stay their holder's."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None or booking.buyer_id != command.buyer_id:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    if booking.state != "confirmed":
        return No(SalesRefusal.NOT_RETURNABLE, "booking_state", {"state": booking.state})
    if no := not_selling(sale, sale.on_sale_at, sale.off_sale_at, batch.now):
        return no
    chosen = chosen_tickets(booking, command.ticket_ids)
    if isinstance(chosen, No):
        return chosen
    chosen = tuple([ticket for ticket in chosen if ticket.returning_since is None])
    for type_id in {ticket.ticket_type_id for ticket in chosen}:
        if sale.available(sale.ticket_types[type_id]) > 0:
            return No(SalesRefusal.NOT_SOLD_OUT, "still_available")
    if not chosen:
        return Booked(booking)
    # After this point the tickets must be returned.
    for ticket in chosen:
        sale.returned[ticket.ticket_id] = ReturnedTicket(
            ticket.ticket_id, booking.booking_id, ticket.ticket_type_id, ticket.seat_number, batch.now
        )
    batch.facts.append(
        fact.TicketsReturned(booking.booking_id, tuple([ticket.ticket_id for ticket in chosen]))
    )
    batch.released = True
    return Booked(_mark(batch, booking, chosen, returning=True))


def keep_tickets(sale: Sale, batch: Batch, command: KeepTickets) -> Outcome:
    """Take a return back, unless somebody has an offer for it at the moment."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None or booking.buyer_id != command.buyer_id:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    chosen = chosen_tickets(booking, command.ticket_ids)
    if isinstance(chosen, No):
        return chosen
    chosen = tuple([ticket for ticket in chosen if ticket.returning_since is not None])
    if any(sale.returned[ticket.ticket_id].offered for ticket in chosen):
        return No(SalesRefusal.NOT_RETURNABLE, "offered")
    if not chosen:
        return Booked(booking)
    # After this point the tickets must be kept.
    for ticket in chosen:
        del sale.returned[ticket.ticket_id]
    batch.facts.append(fact.TicketsKept(booking.booking_id, tuple([ticket.ticket_id for ticket in chosen])))
    return Booked(_mark(batch, booking, chosen, returning=False))


def _mark(batch: Batch, booking: Booking, chosen: Sequence[Ticket], *, returning: bool) -> Booking:
    since = batch.now if returning else None
    ids = {ticket.ticket_id for ticket in chosen}
    batch.marked.update(dict.fromkeys(ids, since))
    tickets = tuple(
        [replace(each, returning_since=since) if each.ticket_id in ids else each for each in booking.tickets]
    )
    marked = replace(booking, tickets=tickets)
    remember(batch, marked)
    return marked


# Offers -----------------------------------------------------------------------------------------------------


def accept_offer(sale: Sale, batch: Batch, command: AcceptOffer) -> Outcome:
    """Take an offer: confirmed at once with nothing to pay online, else a hold like any other.

    Harmless to repeat.
    """
    entry = batch.entries.get(command.entry_id)
    if entry is None or entry.buyer_id != command.buyer_id:
        return No(SalesRefusal.ENTRY_NOT_FOUND)
    if entry.state == "waiting":
        return No(SalesRefusal.NOT_OFFERED, "waiting")
    booking = None if entry.booking_id is None else batch.bookings[entry.booking_id]
    if entry.state == "withdrawn" or booking is None:
        return No(SalesRefusal.OFFER_EXPIRED)
    if entry.state == "fulfilled":
        return Listed(entry, booking)
    if is_due(booking, batch.now):
        return No(SalesRefusal.OFFER_EXPIRED)
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if no := _not_replaceable(batch, booking):
        return no
    # After this point the offer must be taken.
    if booking.total_minor() and sale.conditions_of(booking).payment == "online":
        waitlist_rules.fulfil(sale, batch, booking)
        taken = _last_until(batch, booking, sale.conditions_of(booking).hold_seconds)
        remember(batch, taken)
    else:
        taken = _confirm(sale, batch, booking, None, 0)
    return Listed(batch.entries[entry.entry_id], taken)


def leave_waitlist(sale: Sale, batch: Batch, command: LeaveWaitlist) -> Outcome:
    """Wait no longer; an offer that was made is declined. Harmless to repeat."""
    entry = batch.entries.get(command.entry_id)
    if entry is None or entry.buyer_id != command.buyer_id:
        return No(SalesRefusal.ENTRY_NOT_FOUND)
    if entry.state == "fulfilled":
        return No(SalesRefusal.NOT_OFFERED, "accepted")
    if entry.state == "withdrawn":
        return Listed(entry)
    # After this point the entry must go.
    if entry.booking_id is None:
        return Listed(waitlist_rules.withdraw(sale, batch, entry, "left"))
    booking = batch.bookings[entry.booking_id]
    _end_tickets(sale, batch, booking, valid_tickets(booking), 0)
    return Listed(batch.entries[entry.entry_id], batch.bookings[booking.booking_id])
