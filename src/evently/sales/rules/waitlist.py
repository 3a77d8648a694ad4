"""The rules of the waitlist: join, leave, accept an offer. Pure. offers.py decides who gets an offer."""

from __future__ import annotations

from msgspec.structs import replace

from evently.sales import facts
from evently.sales.commands.waitlist import WAITING_MAX, AcceptOffer, JoinWaitlist, LeaveWaitlist
from evently.sales.nouns import Booking, Ticket, WaitlistEntry
from evently.sales.outcomes import Listed, No, Outcome, SalesRefusal
from evently.sales.rules import offers
from evently.sales.rules.bookings import confirm_hold, extend_until, void_tickets
from evently.sales.rules.moves import (
    fee_taxes_of,
    is_due,
    money_of,
    not_exact,
    not_payable,
    not_selling,
    over_buyer_limit,
    record_change,
    step_of,
    ticket_facts,
    valid_tickets,
)
from evently.sales.rules.pricing import amounts_of, payment_of
from evently.sales.rules.promos import Wanted, discounts_of, find_promo, unlocking_code, unlocks, use_promo
from evently.sales.rules.state import Batch, Promo, Sale, Waitlist
from evently.sales.states import CancelledBy, WithdrawalReason
from evently.sales.terms import TicketTypeTerms


def join_waitlist(sale: Sale, batch: Batch, command: JoinWaitlist) -> Outcome:
    """Add a waitlist entry: possible from before the sale opens until it ends."""
    terms = sale.ticket_types.get(command.ticket_type_id)
    if no := not_selling(sale, None, sale.off_sale_at, batch.now):
        return no
    code = command.promo_code
    promo = None if code is None else find_promo(sale, batch, code, command.buyer_id)
    if isinstance(promo, No):
        return promo
    if terms is None or terms.retired or (terms.hidden and not unlocks(promo, terms)):
        return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
    if no := not_selling(sale, None, terms.off_sale_at, batch.now):
        return no
    if terms.needed_ids:
        return No(SalesRefusal.ADD_ON_ALONE, "waitlist", {"ticket_type": terms.name})
    if no := _not_admitted(sale, batch, command, terms):
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
        promo_id=promo.terms.promo_id if promo is not None and terms.hidden else None,
    )
    sale.waitlists.setdefault(entry.ticket_type_id, Waitlist()).add(entry)
    batch.live.add((entry.buyer_id, entry.ticket_type_id))
    batch.entries[entry.entry_id] = entry
    batch.entries_joined.append(entry)
    # Units that are free or set aside for groups, or tickets returned while no entry waited, may fit the new
    # entry
    batch.serve_waitlist = True
    batch.facts.append(
        facts.WaitlistJoined(
            entry.entry_id, entry.buyer_id, entry.ticket_type_id, entry.quantity, entry.promo_id
        )
    )
    return Listed(entry)


def _not_admitted(sale: Sale, batch: Batch, command: JoinWaitlist, terms: TicketTypeTerms) -> No | None:
    """Refuse who would go past the waiting room: an entry gets an offer at once when tickets are available.

    Once the sale has begun and nothing is left, everybody may join.
    """
    if command.admitted or not sale.has_waiting_room:
        return None
    if batch.now >= sale.on_sale_at and sale.available(terms) <= 0:
        return None
    return No(SalesRefusal.NOT_ADMITTED, "waitlist")


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
        if command.promo_code is not None and not _has_promo(sale, booking, command.promo_code):
            return No(SalesRefusal.NOT_OFFERED, "code")
        return Listed(entry, booking)
    if is_due(booking, batch.now):
        return No(SalesRefusal.OFFER_EXPIRED)
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    code = command.promo_code or unlocking_code(sale, entry)
    if code is not None:
        discounted = _use_promo(sale, batch, entry, booking, code)
        if isinstance(discounted, No):
            return discounted
        booking = discounted
    # After this point the offer must be accepted.
    if booking.total_minor() and booking.payment == "online":
        offers.fulfil(sale, batch, booking)
        accepted = extend_until(batch, booking, sale.conditions_of(booking).hold_seconds)
        record_change(batch, accepted)
    else:
        accepted = confirm_hold(sale, batch, booking, None, 0)
    return Listed(batch.entries[entry.entry_id], accepted)


def _has_promo(sale: Sale, booking: Booking, code: str) -> bool:
    promo = sale.promos.get(code.strip().upper())
    return promo is not None and promo.terms.promo_id == booking.promo_id


def _use_promo(sale: Sale, batch: Batch, entry: WaitlistEntry, booking: Booking, code: str) -> Booking | No:
    """Give an offer the discount of a promo code, or refuse the code and change nothing."""
    promo = find_promo(sale, batch, code, booking.buyer_id)
    if isinstance(promo, No):
        return promo
    if unlocking_code(sale, entry) and not unlocks(promo, sale.ticket_types[entry.ticket_type_id]):
        return No(SalesRefusal.PROMO_CODE_NOT_VALID, "ticket_types")
    tickets = _with_discount(sale, batch, booking, promo)
    if isinstance(tickets, No):
        return tickets
    # After this point the offer must be accepted.
    priced = {ticket.ticket_id: ticket for ticket in tickets}
    discounted = replace(
        booking,
        tickets=tuple([priced.get(ticket.ticket_id, ticket) for ticket in booking.tickets]),
        promo_id=promo.terms.promo_id,
        payment=payment_of(sale.conditions_of(booking), tickets),
    )
    use_promo(batch, promo, discounted)
    record_change(batch, discounted)
    batch.discounted.append(discounted)
    batch.facts.append(
        facts.OfferDiscounted(
            entry.entry_id,
            booking.booking_id,
            promo.terms.promo_id,
            ticket_facts(tickets),
            money_of(tickets),
            fee_taxes_of(tickets),
        )
    )
    return discounted


def _with_discount(sale: Sale, batch: Batch, booking: Booking, promo: Promo) -> list[Ticket] | No:
    """Return the tickets of an offer with a discount, under its own price and conditions; or refuse."""
    conditions, tickets = sale.conditions_of(booking), valid_tickets(booking)
    offered = tickets[0]  # an offer has tickets of one type and price
    terms = replace(sale.ticket_types[offered.ticket_type_id], price_minor=offered.price_minor)
    now = amounts_of(terms, 0, conditions.fees)
    if (now.surcharge_minor, now.tax_minor) != (offered.surcharge_minor, offered.tax_minor):
        return No(SalesRefusal.PROMO_CODE_NOT_VALID, "tax")  # it has changed, and the offer keeps the old one
    wanted = Wanted(terms.ticket_type_id, terms.price_minor, len(tickets))
    discounts = discounts_of(promo, [wanted], step_of(batch, sale.currency, conditions))
    if isinstance(discounts, No):
        return discounts
    amounts = [
        amounts_of(terms, each.discount_minor, conditions.fees)
        for each in discounts[terms.ticket_type_id]
        for _ in range(each.quantity)
    ]
    priced = [replace(ticket, **new._asdict()) for ticket, new in zip(tickets, amounts, strict=True)]
    if conditions.payment == "online":
        sums = [(ticket.total_minor(), ticket.fee_minor) for ticket in priced]
        total = sum([total_minor for total_minor, _ in sums])
        no = not_payable(batch, sale.currency, total) or not_exact(batch, sale.currency, conditions, sums)
        if no is not None:
            return no
    return priced


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
    by: CancelledBy = "buyer" if command.buyer_id is not None else "event"
    void_tickets(sale, batch, booking, valid_tickets(booking), 0, by=by)
    return Listed(batch.entries[entry.entry_id], batch.bookings[booking.booking_id])
