"""The rules of existing bookings: confirm, extend, expire, cancel, record payments, return tickets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from evently.sales import facts
from evently.sales.commands.bookings import (
    CancelBooking,
    ConfirmBooking,
    ExtendHold,
    KeepTickets,
    OutsideRefund,
    RecordCapture,
    RecordOutsideRefunds,
    RecordRefund,
    ReturnTickets,
)
from evently.sales.nouns import Booking, Ticket
from evently.sales.outcomes import Booked, No, Outcome, SalesRefusal
from evently.sales.rules import ledger, offers
from evently.sales.rules.add_ons import with_add_ons
from evently.sales.rules.moves import (
    claim_seat,
    end_transfer,
    is_due,
    move_units,
    not_selling,
    record_change,
    release,
    release_promo,
    released_seats,
    ticket_facts,
    valid_tickets,
    with_void,
)
from evently.sales.rules.pricing import Promise, cancellable_until, promise_to, refund_of, refundable_of
from evently.sales.rules.promos import unlocking_code
from evently.sales.rules.state import Batch, OutsideRecorded, Refund, ReturnedTicket, Sale
from evently.sales.states import BookingPayment, CancelledBy
from evently.sales.terms import Conditions

# Holds ------------------------------------------------------------------------------------------------------


def confirm_booking(sale: Sale, batch: Batch, command: ConfirmBooking) -> Outcome:
    """Confirm a hold that was paid as its conditions require. Harmless to repeat with the same payment."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    if (
        booking.state == "confirmed"
        and command.payment_id is not None
        and booking.payment_id == command.payment_id
    ):
        return Booked(booking)
    if no := _not_held(booking, batch):
        return no
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    entry = None if booking.entry_id is None else batch.entries[booking.entry_id]
    if entry is not None and entry.state == "offered" and unlocking_code(sale, entry) is not None:
        return No(SalesRefusal.NOT_OFFERED, "accept_first")
    if no := _wrongly_paid(sale, booking, command):
        return no
    # After this point the booking must succeed.
    return Booked(confirm_hold(sale, batch, booking, command.payment_id, command.amount_minor))


def _wrongly_paid(sale: Sale, booking: Booking, command: ConfirmBooking) -> No | None:
    due = booking.total_minor()
    if command.payment_id is None and (due == 0 or sale.conditions_of(booking).payment == "door"):
        return None
    if command.payment_id is not None and command.amount_minor == due > 0:
        return None
    return No(SalesRefusal.PAYMENT_MISMATCH, "amount", {"due_minor": due, "paid_minor": command.amount_minor})


def confirm_hold(
    sale: Sale, batch: Batch, booking: Booking, payment_id: UUID | None, paid_minor: int
) -> Booking:
    """Confirm a hold that may be confirmed, with a payment or (None) to be paid on site."""
    tickets = valid_tickets(booking)
    move_units(sale, batch, tickets, held=-1, sold=+1)
    batch.facts.append(facts.HoldConfirmed(booking.booking_id, ticket_facts(tickets), payment_id, paid_minor))
    offers.fulfil(sale, batch, booking)
    if any(ticket.replaces for ticket in tickets):
        booking = _replace_tickets(sale, batch, booking)
    if payment_id is not None:
        payment: BookingPayment = "online"
    else:  # a hold of which the tickets to be paid online were cancelled is confirmed without a payment
        payment = "door" if booking.payment == "online" else booking.payment
    confirmed = replace(
        booking,
        state="confirmed",
        confirmed_at=batch.now,
        payment=payment,
        payment_id=payment_id,
        paid_minor=paid_minor,
    )
    record_change(batch, confirmed)
    batch.postings += ledger.confirmed(booking.booking_id, tickets, "door" if payment_id is None else "buyer")
    return confirmed


def _replace_tickets(sale: Sale, batch: Batch, booking: Booking) -> Booking:
    """Void the returned tickets that an offer replaces, refund their holders, take over units and seats."""
    replaced = {ticket.replaces: ticket for ticket in valid_tickets(booking) if ticket.replaces is not None}
    holders = [
        other
        for other in batch.bookings.values()
        if any(each.ticket_id in replaced for each in other.tickets)
    ]
    for holder in holders:
        returned = tuple([each for each in holder.tickets if each.ticket_id in replaced])
        for each in returned:
            del sale.returned[each.ticket_id]
        returned = with_add_ons(sale.ticket_types, holder, returned)
        conditions = sale.conditions_of(holder)
        refund_minor = (
            sum([refundable_of(each, conditions) for each in returned])
            if holder.payment_id is not None
            else 0
        )
        left = holder.paid_minor - holder.refunded_minor - holder.outside_minor
        void_tickets(sale, batch, holder, returned, min(refund_minor, left), by="waitlist")
    return _give_own_units(
        sale,
        batch,
        replace(booking, state="confirmed"),
        [replace(ticket, replaces=None) for ticket in replaced.values()],
    )


def extend_hold(sale: Sale, batch: Batch, command: ExtendHold) -> Outcome:
    """Restart the time of a hold, once. An offer cannot be extended before it is accepted."""
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
    extended = extend_until(batch, booking, sale.conditions_of(booking).hold_seconds)
    record_change(batch, replace(extended, extended=True))
    return Booked(batch.bookings[booking.booking_id])


def _not_held(booking: Booking, batch: Batch) -> No | None:
    if booking.state == "confirmed":
        return No(SalesRefusal.ALREADY_CONFIRMED)
    if booking.state == "cancelled":
        return No(SalesRefusal.ALREADY_CANCELLED)
    if booking.state == "expired" or is_due(booking, batch.now):
        return No(SalesRefusal.HOLD_EXPIRED)
    return None


def extend_until(batch: Batch, booking: Booking, seconds: int) -> Booking:
    """Return a hold that ends so many seconds from now, or when it would have ended, if that is later."""
    assert booking.expires_at is not None, "a hold ends"
    expires_at = max(booking.expires_at, batch.now + timedelta(seconds=seconds))
    batch.facts.append(facts.HoldExtended(booking.booking_id, expires_at))
    return replace(booking, expires_at=expires_at)


def expire(sale: Sale, batch: Batch, booking: Booking) -> None:
    """Expire a due hold and release its units."""
    assert is_due(booking, batch.now), "only a due hold expires"
    tickets = valid_tickets(booking)
    batch.facts.append(facts.HoldExpired(booking.booking_id, ticket_facts(tickets), released_seats(tickets)))
    release(sale, batch, booking, tickets)
    release_promo(sale, batch, booking)
    offers.end_offer(sale, batch, booking, "lapsed")
    record_change(batch, replace(booking, state="expired", ended_at=batch.now))


# Cancellations ----------------------------------------------------------------------------------------------


def cancel_booking(sale: Sale, batch: Batch, command: CancelBooking) -> Outcome:
    """Cancel a booking or some of its tickets, and decide the refund."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None or command.buyer_id not in (None, booking.buyer_id):
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    conditions = sale.conditions_of(booking)
    promise = None
    if command.event_starts_at is not None:
        promise = promise_to(booking, conditions, sale.reschedulings, command.event_starts_at)
    if no := not_cancellable(booking, conditions, promise, batch.now):
        return no
    chosen = chosen_tickets(booking, command.ticket_ids, by_buyer=command.buyer_id is not None)
    if isinstance(chosen, No):
        return chosen
    keeps_door = command.keeps_door and command.buyer_id is None
    if keeps_door and sale.pays_door_back() and is_paid_at_door(booking):
        return No(SalesRefusal.EVENT_CANCELLED, "door_money")
    chosen = with_add_ons(sale.ticket_types, booking, chosen)
    # After this point the cancellation must succeed.
    return Booked(
        void_tickets(
            sale,
            batch,
            booking,
            chosen,
            _refund_minor(booking, chosen, conditions, promise, command, batch),
            unpaid=command.unpaid,
            keeps_door=keeps_door,
            by=(by := _cancelled_by(command)),
            person_id=command.actor_id if by == "organizer" else None,
            reason=command.reason if by == "organizer" else "",
        )
    )


def _cancelled_by(command: CancelBooking) -> CancelledBy:
    if command.unpaid:
        return "payment"
    if command.buyer_id is not None:
        return "buyer"
    return "event" if command.actor_id == command.event_id else "organizer"


def is_paid_at_door(booking: Booking) -> bool:
    """Return whether a booking was confirmed to be paid at the door: no gateway has any of its money."""
    return booking.state == "confirmed" and booking.payment_id is None


def not_cancellable(
    booking: Booking, conditions: Conditions, promise: Promise | None, now: datetime
) -> No | None:
    """Refuse when a booking cannot be cancelled any more. `promise` is None for an organizer."""
    if booking.state == "cancelled":
        return No(SalesRefusal.ALREADY_CANCELLED)
    if booking.state == "expired":
        return No(SalesRefusal.HOLD_EXPIRED)
    if promise is None:
        return None
    until = cancellable_until(booking, conditions, promise)
    return No(SalesRefusal.TOO_LATE_TO_CANCEL) if now >= until else None


def _refund_minor(
    booking: Booking,
    chosen: Sequence[Ticket],
    conditions: Conditions,
    promise: Promise | None,
    command: CancelBooking,
    batch: Batch,
) -> int:
    if booking.payment_id is None or command.unpaid:
        return 0
    if command.buyer_id is None or promise is None:
        return repayable(booking, chosen)
    left = booking.paid_minor - booking.refunded_minor - booking.outside_minor
    return min(sum([refund_of(ticket, conditions, promise, batch.now) for ticket in chosen]), left)


def repayable(booking: Booking, chosen: Sequence[Ticket]) -> int:
    """Return what is paid back when the organizer cancels tickets: all that was captured and is left."""
    if booking.payment_id is None:
        return 0
    left = booking.paid_minor - booking.refunded_minor - booking.outside_minor
    return min(sum([ticket.total_minor() for ticket in chosen]), left)


def void_tickets(
    sale: Sale,
    batch: Batch,
    booking: Booking,
    chosen: tuple[Ticket, ...],
    refund_minor: int,
    *,
    by: CancelledBy,
    unpaid: bool = False,
    keeps_door: bool = False,
    person_id: UUID | None = None,
    reason: str = "",
) -> Booking:
    """Void tickets of a booking; cancel the booking with its last one.

    `keeps_door`: what was paid for them at the door stays with the organizer, and so in the ledger.
    `person_id`: who of the organizer cancelled; `reason`: why.
    """
    door_kept = keeps_door and is_paid_at_door(booking)
    for ticket in chosen if sale.transfers else ():
        if (transfer := sale.transfers.get(ticket.ticket_id)) is not None:
            end_transfer(sale, batch, transfer, "withdrawn")
    returned = [
        each for each in [sale.returned.pop(ticket.ticket_id, None) for ticket in chosen] if each is not None
    ]
    tickets = with_void(booking, [ticket.ticket_id for ticket in chosen])
    whole = all(ticket.state == "void" for ticket in tickets)
    batch.voided += [ticket.ticket_id for ticket in chosen]
    for ticket in chosen if batch.used_changed else ():  # its check-in was undone in this batch
        batch.used_changed.pop(ticket.ticket_id, None)
    refund_id = batch.new_id() if refund_minor else None
    parts, postings = (
        ((), [])
        if booking.state != "confirmed" or door_kept
        else _money_of(sale, batch, booking, chosen, refund_minor, unpaid=unpaid)
    )
    kind = facts.BookingCancelled if whole else facts.TicketsCancelled
    batch.facts.append(
        kind(
            booking.booking_id,
            booking.state,
            ticket_facts(chosen),
            refund_id,
            refund_minor,
            unpaid,
            released_seats(chosen),
            door_kept,
            parts,
            by,
            person_id,
            reason,
        )
    )
    if reason:
        batch.reasons.append((len(batch.facts) - 1, booking.booking_id, reason))
    release(sale, batch, booking, chosen)
    batch.postings += postings
    if refund_id is not None:
        batch.refunds_decided.append(Refund(refund_id, booking.booking_id, refund_minor, batch.now))
    changed = replace(booking, tickets=tickets, refunded_minor=booking.refunded_minor + refund_minor)
    if whole:
        changed = replace(changed, state="cancelled", ended_at=batch.now)
        release_promo(sale, batch, booking)
        offers.end_offer(sale, batch, booking, "declined")
    record_change(batch, changed)
    for each in returned:
        if each.offered:
            _unbind(sale, batch, each)
    return changed


def _unbind(sale: Sale, batch: Batch, returned: ReturnedTicket) -> None:
    """Give the unit and seat of a returned ticket that was voided to the offer that was to replace it."""
    offer = _offer_of(batch, returned.ticket_id)
    own = tuple(
        [replace(ticket, replaces=None) for ticket in offer.tickets if ticket.replaces == returned.ticket_id]
    )
    record_change(batch, _give_own_units(sale, batch, offer, own))


def _offer_of(batch: Batch, ticket_id: UUID) -> Booking:
    """Return the live offer that is to replace a returned ticket."""
    (offer,) = [
        other
        for other in batch.bookings.values()
        if other.state == "held"  # not an offer that has expired
        and any(ticket.replaces == ticket_id for ticket in other.tickets)
    ]
    return offer


def _give_own_units(sale: Sale, batch: Batch, booking: Booking, own: Sequence[Ticket]) -> Booking:
    """Turn replacement tickets into ordinary ones, on units and seats that were released a moment ago."""
    held = booking.state == "held"
    move_units(sale, batch, own, held=1 if held else 0, sold=0 if held else 1)
    for ticket in own:
        batch.facts.append(facts.TicketUnbound(booking.booking_id, ticket.ticket_id, ticket.seat_number))
        batch.unbound.append(ticket.ticket_id)
        if ticket.seat_number is not None:
            assert sale.hall is not None, "a seat belongs to the seating"
            sale.hall.take([ticket.seat_number])
            claim_seat(batch, ticket.seat_number, ticket.ticket_id, was_taken=True)
    unbound = {ticket.ticket_id: ticket for ticket in own}
    return replace(
        booking, tickets=tuple([unbound.get(ticket.ticket_id, ticket) for ticket in booking.tickets])
    )


def _money_of(
    sale: Sale, batch: Batch, booking: Booking, chosen: Sequence[Ticket], refund_minor: int, *, unpaid: bool
) -> tuple[tuple[int, ...], list[ledger.Posting]]:
    """Return what the accounts give of the refund of a cancellation, if there is one, and the postings."""
    if booking.payment_id is None or unpaid:
        return (), ledger.cancelled_unpaid(booking.booking_id, chosen, "buyer" if unpaid else "door")
    if not refund_minor:
        return (), []
    conditions = sale.conditions_of(booking)
    left = booking.paid_minor - booking.refunded_minor - booking.outside_minor
    kept = (
        conditions.fee_kept
        and conditions.fees.paid_by == "buyer"
        and refund_minor < min(left, sum([ticket.total_minor() for ticket in chosen]))
    )
    return ledger.refunded(
        booking.booking_id, batch.posted_of(booking.booking_id), chosen, refund_minor, fee_kept=kept
    )


def chosen_tickets(
    booking: Booking, ticket_ids: tuple[UUID, ...] | None, *, by_buyer: bool
) -> tuple[Ticket, ...] | No:
    """Return the tickets of a booking that a command names, all valid ones when it names none; or refuse.

    A buyer chooses only tickets that they hold: nobody else's ticket ends by surprise.
    """
    if ticket_ids is None:
        if by_buyer and any(ticket.holder_id is not None for ticket in valid_tickets(booking)):
            return No(SalesRefusal.TICKET_PASSED_ON, "name_the_others")
        if any(ticket.state == "used" for ticket in booking.tickets):
            return No(
                SalesRefusal.TICKET_USED,
                "name_the_others",
            )
        return valid_tickets(booking)
    assert ticket_ids, "a command that names tickets names at least one"
    tickets = {ticket.ticket_id: ticket for ticket in booking.tickets}
    if not tickets.keys() >= set(ticket_ids):
        return No(SalesRefusal.UNKNOWN_TICKET)
    chosen = tuple(tickets[ticket_id] for ticket_id in dict.fromkeys(ticket_ids))
    if any(ticket.state == "used" for ticket in chosen):
        return No(SalesRefusal.TICKET_USED)
    if any(ticket.state == "void" for ticket in chosen):
        return No(SalesRefusal.ALREADY_CANCELLED)
    if by_buyer and any(ticket.holder_id is not None for ticket in chosen):
        return No(SalesRefusal.TICKET_PASSED_ON)
    return chosen


# Money ------------------------------------------------------------------------------------------------------


def record_capture(_sale: Sale, batch: Batch, command: RecordCapture) -> Outcome:
    """Record that the payment of a booking was captured."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    if booking.payment_id != command.payment_id:
        return No(SalesRefusal.PAYMENT_MISMATCH, "other_payment")
    if booking.captured_at is not None:
        return Booked(booking)
    # After this point the capture must be recorded.
    captured = replace(booking, captured_at=batch.now)
    record_change(batch, captured)
    batch.facts.append(facts.PaymentCaptured(booking.booking_id, command.payment_id, booking.paid_minor))
    batch.postings += ledger.captured(booking.booking_id, booking.paid_minor)
    return Booked(captured)


def record_refund(_sale: Sale, batch: Batch, command: RecordRefund) -> Outcome:
    """Record that a refund was settled."""
    refund = batch.refunds.get(command.refund_id)
    booking = batch.bookings.get(command.booking_id)
    if refund is None or booking is None or refund.booking_id != booking.booking_id:
        return No(SalesRefusal.REFUND_NOT_FOUND)
    if refund.settled_at is not None:
        return Booked(booking)
    # After this point the refund must be recorded.
    batch.refunds[refund.refund_id] = replace(refund, settled_at=batch.now)
    batch.refunds_settled.append(refund.refund_id)
    batch.facts.append(
        facts.RefundSettled(
            booking.booking_id,
            refund.refund_id,
            refund.amount_minor,
            command.how,
            command.person_id,
            command.reason,
        )
    )
    batch.postings += ledger.settled(booking.booking_id, refund.amount_minor, command.how)
    return Booked(booking)


def record_outside_refunds(_sale: Sale, batch: Batch, command: RecordOutsideRefunds) -> Outcome:
    """Record what others have paid back of a captured payment; it may fall, too.

    Its tickets stay as they are. What the sale has decided to refund is left out: the gateway pays back only
    the rest of such a refund.
    """
    booking = batch.bookings.get(command.booking_id)
    if booking is None:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    if booking.payment_id != command.payment_id or booking.captured_at is None:
        return No(SalesRefusal.PAYMENT_MISMATCH, "other_payment")
    known = batch.outside.get(booking.booking_id, {})
    if sum([each.amount_minor for each in known]) != command.known_minor:
        return No(SalesRefusal.PAYMENT_MISMATCH, "recorded_meanwhile")
    total = sum([each.amount_minor for each in command.refunds])
    outside = min(total, booking.paid_minor - booking.refunded_minor)
    if outside == booking.outside_minor and known.keys() == set(command.refunds):
        return Booked(booking)
    # After this point the refunds must be recorded.
    current = _record_current(batch, booking, known, command.refunds)
    recorded = replace(booking, outside_minor=outside)
    record_change(batch, recorded)
    parts, postings = ledger.refunded_outside(
        booking.booking_id, batch.posted_of(booking.booking_id), outside - booking.outside_minor
    )
    batch.facts.append(
        facts.OutsideRefundsRecorded(
            booking.booking_id,
            command.payment_id,
            outside,
            tuple([(key, each.kind, each.reference, each.amount_minor) for each, key in current.items()]),
            parts,
        )
    )
    batch.postings += postings
    return Booked(recorded)


def _record_current(
    batch: Batch,
    booking: Booking,
    known: Mapping[OutsideRefund, UUID],
    refunds: Sequence[OutsideRefund],
) -> dict[OutsideRefund, UUID]:
    """Record which refunds by another hand are current, and which were reversed; return the former."""
    current = {each: known.get(each) or batch.new_id() for each in refunds}
    for each, refund_id in current.items():
        if each not in known:
            batch.outside_recorded[refund_id] = OutsideRecorded(booking.booking_id, each)
    for each, refund_id in known.items():
        if each in current:
            continue
        if (new := batch.outside_recorded.get(refund_id)) is not None:
            batch.outside_recorded[refund_id] = new._replace(lasts=False)
        else:
            batch.outside_reversed.append(refund_id)
    batch.outside[booking.booking_id] = current
    return current


# Returns ----------------------------------------------------------------------------------------------------


def return_tickets(sale: Sale, batch: Batch, command: ReturnTickets) -> Outcome:
    """Offer tickets of a sold-out ticket type to the waitlist. Their holder keeps them until then."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None or booking.buyer_id != command.buyer_id:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    if booking.state != "confirmed":
        return No(SalesRefusal.NOT_RETURNABLE, "booking_state", {"state": booking.state})
    if no := not_selling(sale, sale.on_sale_at, sale.off_sale_at, batch.now):
        return no
    chosen = chosen_tickets(booking, command.ticket_ids, by_buyer=True)
    if isinstance(chosen, No):
        return chosen
    if any(ticket.ticket_id in sale.transfers for ticket in chosen):
        return No(SalesRefusal.NOT_RETURNABLE, "passing_on")
    chosen = tuple([ticket for ticket in chosen if ticket.returning_since is None])
    for type_id in {ticket.ticket_type_id for ticket in chosen}:
        if no := not_returnable(sale, type_id, batch.now):
            return no
    if not chosen:
        return Booked(booking)
    # After this point the tickets must be returned.
    for ticket in chosen:
        sale.returned[ticket.ticket_id] = ReturnedTicket(
            ticket.ticket_id, booking.booking_id, ticket.ticket_type_id, ticket.seat_number, batch.now
        )
    batch.facts.append(
        facts.TicketsReturned(booking.booking_id, tuple([ticket.ticket_id for ticket in chosen]))
    )
    batch.serve_waitlist = True
    return Booked(_set_returning(batch, booking, chosen, returning=True))


def not_returnable(sale: Sale, type_id: UUID, now: datetime) -> No | None:
    """Refuse when nobody waits for tickets of a ticket type: nothing is sold now, or others can book it."""
    if no := not_selling(sale, sale.on_sale_at, sale.off_sale_at, now):
        return no
    if sale.ticket_types[type_id].needed_ids:
        return No(SalesRefusal.NOT_RETURNABLE, "add_on")
    if sale.available(sale.ticket_types[type_id]) > 0:
        return No(SalesRefusal.NOT_SOLD_OUT, "still_available")
    return None


def keep_tickets(sale: Sale, batch: Batch, command: KeepTickets) -> Outcome:
    """Stop offering returned tickets to the waitlist, unless an entry has an offer for one of them."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None or booking.buyer_id != command.buyer_id:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    chosen = chosen_tickets(booking, command.ticket_ids, by_buyer=True)
    if isinstance(chosen, No):
        return chosen
    chosen = tuple([ticket for ticket in chosen if ticket.returning_since is not None])
    if any(sale.returned[ticket.ticket_id].offered for ticket in chosen):
        return No(SalesRefusal.NOT_RETURNABLE, "offered")
    if not chosen:
        return Booked(booking)
    # After this point the tickets must be kept.
    return Booked(keep(sale, batch, booking, chosen))


def end_offer_of(sale: Sale, batch: Batch, returned: Ticket) -> None:
    """End the offer that was to replace a returned ticket: its holder has come with it.

    The whole offer ends, accepted or not: who wanted two tickets is not given one.
    """
    if not sale.returned[returned.ticket_id].offered:
        return
    offer = _offer_of(batch, returned.ticket_id)
    assert offer.entry_id is not None, "only an offer replaces a ticket"
    entry = batch.entries[offer.entry_id]
    if entry.state == "offered":
        offers.withdraw(sale, batch, entry, "lapsed")
    void_tickets(sale, batch, offer, valid_tickets(offer), 0, by="door")


def keep(sale: Sale, batch: Batch, booking: Booking, returned: Sequence[Ticket]) -> Booking:
    """Stop offering returned tickets, which no offer has."""
    for ticket in returned:
        del sale.returned[ticket.ticket_id]
    batch.facts.append(facts.TicketsKept(booking.booking_id, tuple([each.ticket_id for each in returned])))
    return _set_returning(batch, booking, returned, returning=False)


def _set_returning(batch: Batch, booking: Booking, chosen: Sequence[Ticket], *, returning: bool) -> Booking:
    since = batch.now if returning else None
    ids = {ticket.ticket_id for ticket in chosen}
    batch.returning_changed.update(dict.fromkeys(ids, since))
    tickets = tuple(
        [replace(each, returning_since=since) if each.ticket_id in ids else each for each in booking.tickets]
    )
    changed = replace(booking, tickets=tickets)
    record_change(batch, changed)
    return changed
