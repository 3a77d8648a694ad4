"""The rules of the waitlist: join, leave, accept an offer. Pure. offers.py decides who gets an offer."""

from __future__ import annotations

from evently.sales import facts
from evently.sales.commands import (
    WAITING_MAX,
    AcceptOffer,
    JoinWaitlist,
    LeaveWaitlist,
    Listed,
    No,
    Outcome,
    SalesRefusal,
    WaitlistEntry,
)
from evently.sales.rules import offers
from evently.sales.rules.bookings import confirm_hold, extend_until, replacement_used, void_tickets
from evently.sales.rules.moves import (
    is_due,
    not_selling,
    over_buyer_limit,
    record_change,
    valid_tickets,
)
from evently.sales.rules.state import Batch, Sale, Waitlist
from evently.sales.states import WithdrawalReason


def join_waitlist(sale: Sale, batch: Batch, command: JoinWaitlist) -> Outcome:
    """Add a waitlist entry: possible from before the sale opens until it ends."""
    terms = sale.ticket_types.get(command.ticket_type_id)
    if no := not_selling(sale, None, sale.off_sale_at, batch.now):
        return no
    if terms is None or terms.retired or terms.hidden:
        return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
    if no := not_selling(sale, None, terms.off_sale_at, batch.now):
        return no
    if command.quantity > terms.per_booking_max:
        return No(
            SalesRefusal.OVER_BOOKING_LIMIT,
            "per_booking_max",
            {"per_booking_max": terms.per_booking_max, "ticket_type": terms.name},
        )
    if no := over_buyer_limit(batch, command.buyer_id, terms, command.quantity):
        return no
    if (command.buyer_id, command.ticket_type_id) in batch.live:
        return No(SalesRefusal.ALREADY_WAITING)
    if sum([sum(waitlist.counts.values()) for waitlist in sale.waitlists.values()]) >= WAITING_MAX:
        return No(SalesRefusal.WAITLIST_FULL, "entries_max", {"entries_max": WAITING_MAX})
    # After this point the entry must succeed.
    entry = WaitlistEntry(
        event_id=command.event_id,
        entry_id=batch.new_id(),
        buyer_id=command.buyer_id,
        ticket_type_id=command.ticket_type_id,
        quantity=command.quantity,
        state="waiting",
        reason="",
        joined_at=batch.now,
        joined_seq=sale.seq + 1,
    )
    sale.waitlists.setdefault(entry.ticket_type_id, Waitlist()).add(entry)
    batch.live.add((entry.buyer_id, entry.ticket_type_id))
    batch.entries[entry.entry_id] = entry
    batch.entries_joined.append(entry)
    # Units that are free or set aside for groups, or tickets returned while no entry waited, may fit the new
    # entry
    batch.serve_waitlist = True
    batch.facts.append(
        facts.WaitlistJoined(entry.entry_id, entry.buyer_id, entry.ticket_type_id, entry.quantity)
    )
    return Listed(entry)


def accept_offer(sale: Sale, batch: Batch, command: AcceptOffer) -> Outcome:
    """Accept an offer: confirm it when nothing is paid online, otherwise turn it into an ordinary hold.

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
    if no := replacement_used(batch, booking):
        return no
    # After this point the offer must be accepted.
    conditions = sale.conditions_of(booking)
    if booking.total_minor() and booking.payment == "online":
        offers.fulfil(sale, batch, booking)
        accepted = extend_until(batch, booking, conditions.hold_seconds)
        record_change(batch, accepted)
    else:
        accepted = confirm_hold(sale, batch, booking, None, 0)
    return Listed(batch.entries[entry.entry_id], accepted)


def leave_waitlist(sale: Sale, batch: Batch, command: LeaveWaitlist) -> Outcome:
    """Withdraw a waitlist entry; its offer, if it has one, is declined. Harmless to repeat."""
    entry = batch.entries.get(command.entry_id)
    if entry is None or command.buyer_id not in (None, entry.buyer_id):
        return No(SalesRefusal.ENTRY_NOT_FOUND)
    if entry.state == "fulfilled":
        return No(SalesRefusal.NOT_OFFERED, "accepted")
    if entry.state == "withdrawn":
        return Listed(entry)
    # After this point the entry must be withdrawn.
    if entry.booking_id is None:
        reason: WithdrawalReason = "left" if command.buyer_id is not None else "cancelled"
        return Listed(offers.withdraw(sale, batch, entry, reason))
    if command.buyer_id is None:
        offers.withdraw(sale, batch, entry, "cancelled")
    booking = batch.bookings[entry.booking_id]
    void_tickets(sale, batch, booking, valid_tickets(booking), 0)
    return Listed(batch.entries[entry.entry_id], batch.bookings[booking.booking_id])
