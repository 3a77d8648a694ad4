"""The steps that every rule is composed of: make tickets, take and release units and seats, record changes.

Pure.

Checks that several rules share stand first. Each of the other steps changes the sale and notes in the
batch what must be written. It checks nothing except invariants: the rules have decided before they call it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from evently.sales import facts
from evently.sales.nouns import Booking, Ticket, Transfer
from evently.sales.outcomes import No, SalesRefusal, amount_refusal
from evently.sales.rules.pricing import NOTHING, TicketAmounts, amounts_of, refundable_minor, share_of
from evently.sales.rules.state import Batch, Sale, SeatClaim
from evently.sales.states import TransferEnd
from evently.sales.terms import Conditions, TicketTypeTerms

NO_SEAT: Final = -1  # in a fact

# Common refusals --------------------------------------------------------------------------------------------


def not_selling(
    sale: Sale, on_sale_at: datetime | None, off_sale_at: datetime | None, now: datetime
) -> No | None:
    """Refuse when nothing is sold in this window now."""
    if sale.state == "closed":
        return No(SalesRefusal.EVENT_NOT_FOUND)  # a draft is not visible
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if on_sale_at is not None and now < on_sale_at:
        return No(SalesRefusal.NOT_ON_SALE_YET, "on_sale_at", {"on_sale_at": on_sale_at})
    if off_sale_at is not None and now >= off_sale_at:
        return No(SalesRefusal.SALE_ENDED, "off_sale_at", {"off_sale_at": off_sale_at})
    return None


def over_buyer_limit(batch: Batch, buyer_id: UUID, terms: TicketTypeTerms, quantity: int) -> No | None:
    """Refuse when a buyer would have more units of a ticket type than one buyer may."""
    if terms.per_buyer_max is None:
        return None
    has = batch.buyer_units.get((buyer_id, terms.ticket_type_id), 0)
    if has + quantity <= terms.per_buyer_max:
        return None
    return No(
        SalesRefusal.OVER_BUYER_LIMIT,
        "buyer_has",
        {"per_buyer_max": terms.per_buyer_max, "ticket_type": terms.name, "has": has},
    )


def over_hold_limit(
    batch: Batch, buyer_id: UUID, conditions: Conditions, quantity: int, quantity_max: int
) -> No | None:
    """Refuse when a buyer would have more live holds, or more units in them, than one buyer may.

    `quantity_max`: the most that one booking of these ticket types may have, which one hold may always have.
    """
    holds = batch.buyer_holds.get(buyer_id)
    has, held = (0, 0) if not holds else (len(holds), sum(holds.values()))
    if has >= conditions.holds_per_buyer_max:
        return No(
            SalesRefusal.TOO_MANY_HOLDS,
            "holds",
            {"holds_per_buyer_max": conditions.holds_per_buyer_max, "has": has},
        )
    units_max = max(conditions.held_units_per_buyer_max, quantity_max)
    if held + quantity > units_max:
        return No(SalesRefusal.TOO_MANY_HOLDS, "units", {"held_units_per_buyer_max": units_max, "has": held})
    return None


def not_payable(batch: Batch, currency: str, total_minor: int) -> No | None:
    """Refuse a sum that the gateway would not take."""
    problem = batch.denominations(currency).find_problem(total_minor)
    return None if problem is None else amount_refusal(problem, total_minor, currency)


def not_exact(
    batch: Batch, currency: str, conditions: Conditions, tickets: Iterable[tuple[int, int]]
) -> No | None:
    """Refuse tickets, each with a total and a fee, that the gateway could not pay back one by one."""
    denomination = batch.denominations(currency)
    if denomination.step_minor == 1:
        return None
    for total_minor, fee_minor in tickets:
        refundable = refundable_minor(total_minor, fee_minor, conditions)
        refunds = [share_of(refundable, window.basis_points) for window in conditions.refund_windows]
        for amount in (total_minor, *refunds):
            if (problem := denomination.find_inexact(amount)) is not None:
                return amount_refusal(problem, amount, currency)
    return None


def step_of(batch: Batch, currency: str, conditions: Conditions) -> int:
    """Return the step of amounts under these conditions: the gateway's where tickets are paid online."""
    return batch.denominations(currency).step_minor if conditions.payment == "online" else 1


# Tickets ----------------------------------------------------------------------------------------------------


def make_tickets(
    sale: Sale,
    batch: Batch,
    terms: TicketTypeTerms,
    conditions: Conditions,
    quantity: int,
    seats: Sequence[int],
    discount_minor: int = 0,
) -> list[Ticket]:
    """Return new tickets of one type; `seats` is empty or has one seat for each."""
    new_id, new_secret, type_id, price = (
        batch.new_id,
        batch.new_secret,
        terms.ticket_type_id,
        terms.price_minor,
    )
    amounts = amounts_of(terms, discount_minor, conditions.fees) if price else NOTHING
    if not seats and amounts == NOTHING:  # the hot path: nothing but a price
        return [Ticket(new_id(), type_id, price, "valid", new_secret()) for _ in range(quantity)]
    if not seats:
        return [Ticket(new_id(), type_id, price, "valid", new_secret(), *amounts) for _ in range(quantity)]
    assert len(seats) == quantity, "a ticket with assigned seating has one seat"
    return [_seated(sale, batch, terms, amounts, number) for number in seats]


def _seated(sale: Sale, batch: Batch, terms: TicketTypeTerms, amounts: TicketAmounts, number: int) -> Ticket:
    assert sale.hall is not None, "a seat belongs to the seating"
    plan = sale.hall.plan
    return Ticket(
        batch.new_id(),
        terms.ticket_type_id,
        terms.price_minor,
        "valid",
        batch.new_secret(),
        *amounts,
        seat_number=number,
        seat_id=plan.ids[number],
        seat_label=plan.label(number),
    )


def valid_tickets(booking: Booking) -> tuple[Ticket, ...]:
    """Return the tickets that are neither used nor void."""
    return tuple([ticket for ticket in booking.tickets if ticket.state == "valid"])


def is_due(booking: Booking, now: datetime) -> bool:
    """Return whether the booking is a hold whose time is over."""
    return booking.state == "held" and booking.expires_at is not None and booking.expires_at <= now


# Units ------------------------------------------------------------------------------------------------------


def place(sale: Sale, batch: Batch, booking: Booking, via: str = "") -> None:
    """Give a new booking its units and seats.

    The caller has checked the units and taken the seats in the hall.
    """
    held = booking.state == "held"
    move_units(sale, batch, booking.tickets, held=1 if held else 0, sold=0 if held else 1)
    for ticket in booking.tickets:
        if sale.ticket_types[ticket.ticket_type_id].per_buyer_max is not None:
            limited = (booking.buyer_id, ticket.ticket_type_id)
            batch.buyer_units[limited] = batch.buyer_units.get(limited, 0) + 1
        if ticket.seat_number is not None and ticket.replaces is None:
            claim_seat(batch, ticket.seat_number, ticket.ticket_id, was_taken=False)
    batch.placed.append(booking)
    batch.facts.append(_placed_fact(booking, via))
    if booking.expires_at is not None:
        if booking.entry_id is None:
            holds = batch.buyer_holds.setdefault(booking.buyer_id, {})
            holds[booking.booking_id] = len(booking.tickets)
        batch.bookings[booking.booking_id] = booking  # later commands of this batch may end it
        sale.next_expiry_at = min(booking.expires_at, sale.next_expiry_at or booking.expires_at)


def _placed_fact(booking: Booking, via: str) -> facts.Fact:
    tickets = booking.tickets
    seats = seats_of(tickets)
    money = money_of(tickets)
    if not any(map(any, money)):
        money = ()
    fee_taxes = fee_taxes_of(tickets) if money else ()
    if booking.expires_at is None:
        return facts.BookingConfirmed(
            booking.booking_id,
            booking.buyer_id,
            ticket_facts(tickets),
            seats,
            money,
            booking.conditions_version,
            booking.promo_id,
            fee_taxes,
            via,
        )
    replaces = tuple([ticket.replaces for ticket in tickets]) if booking.entry_id is not None else ()
    return facts.BookingHeld(
        booking.booking_id,
        booking.buyer_id,
        booking.expires_at,
        ticket_facts(tickets),
        seats,
        money,
        booking.conditions_version,
        booking.promo_id,
        booking.entry_id,
        replaces if any(replaces) else (),
        fee_taxes,
        via,
    )


def record_change(batch: Batch, booking: Booking) -> None:
    """Record a booking's new version, for later commands of the batch and to be written."""
    holds = batch.buyer_holds.get(booking.buyer_id)
    if holds and booking.booking_id in holds:
        holds[booking.booking_id] = len(valid_tickets(booking))
        if booking.state != "held":
            del holds[booking.booking_id]
    batch.bookings[booking.booking_id] = batch.changed[booking.booking_id] = booking


def release(sale: Sale, batch: Batch, booking: Booking, tickets: Sequence[Ticket]) -> None:
    """Release the units and seats of voided tickets.

    A ticket that was to replace a returned one has none of its own: the returned ticket can be offered to the
    waitlist again.
    """
    held = booking.state == "held"
    move_units(sale, batch, tickets, held=-1 if held else 0, sold=0 if held else -1)
    batch.serve_waitlist = True
    for ticket in tickets:
        for person_id in (booking.buyer_id, ticket.holder_id):
            limited = (person_id, ticket.ticket_type_id)
            if limited in batch.buyer_units:
                batch.buyer_units[limited] -= 1
        if ticket.replaces is not None:
            if returned := sale.returned.get(ticket.replaces):
                returned.offered = False
        elif ticket.seat_number is not None:
            release_seat(sale, batch, ticket.seat_number)


def move_units(sale: Sale, batch: Batch, tickets: Sequence[Ticket], *, held: int, sold: int) -> None:
    """Move the units of these tickets between the held and sold counters of their pools.

    A ticket that replaces another one has no units of its own.
    """
    for ticket in tickets:
        if ticket.replaces is not None:
            continue
        for pool_id in sale.ticket_types[ticket.ticket_type_id].pool_ids:
            pool = sale.pools[pool_id]
            pool.held += held
            pool.sold += sold
            batch.pools_changed.add(pool_id)


def record_transfer(sale: Sale, batch: Batch, transfer: Transfer) -> None:
    """Record a transfer's new version, for later commands of the batch and to be written."""
    batch.transfers[transfer.transfer_id] = batch.transfers_changed[transfer.transfer_id] = transfer
    if transfer.state != "offered":
        del sale.transfers[transfer.ticket_id]
        return
    sale.transfers[transfer.ticket_id] = transfer
    sale.next_transfer_end_at = min(transfer.expires_at, sale.next_transfer_end_at or transfer.expires_at)


def end_transfer(sale: Sale, batch: Batch, transfer: Transfer, how: TransferEnd) -> Transfer:
    """End an open transfer that was not accepted."""
    ended = replace(transfer, state=how, ended_at=batch.now)
    record_transfer(sale, batch, ended)
    batch.facts.append(facts.TransferEnded(transfer.transfer_id, transfer.booking_id, transfer.giver_id, how))
    return ended


def release_promo(sale: Sale, batch: Batch, booking: Booking) -> None:
    """Give back the use of a promo code when the booking that used it ends."""
    promo = None if booking.promo_id is None else sale.promo(booking.promo_id)
    if promo is None:
        return
    promo.uses -= 1
    promo.spent_minor -= sum(ticket.discount_minor for ticket in booking.tickets)
    batch.promos_changed.add(promo.terms.promo_id)
    used = (booking.buyer_id, promo.terms.promo_id)
    if used in batch.promo_uses:
        batch.promo_uses[used] -= 1


def set_aside(sale: Sale, batch: Batch, type_id: UUID, units: int) -> None:
    """Set so many units aside for the waitlist of a ticket type."""
    change = units - sale.set_asides.get(type_id, 0)
    if change == 0:
        return
    sale.set_asides[type_id] = units
    for pool_id in sale.ticket_types[type_id].pool_ids:
        sale.pools[pool_id].set_aside += change
        batch.pools_changed.add(pool_id)
    batch.set_asides_changed.add(type_id)
    batch.facts.append(facts.UnitsSetAside(type_id, units))


# Seats ------------------------------------------------------------------------------------------------------


def claim_seat(batch: Batch, number: int, ticket_id: UUID | None, *, was_taken: bool) -> None:
    """Record that a seat belongs to a ticket (None: it is blocked). The hall has changed already."""
    before = batch.claims.get(number)
    batch.claims[number] = SeatClaim(
        was_taken if before is None else before.was_taken, taken=True, ticket_id=ticket_id
    )


def release_seat(sale: Sale, batch: Batch, number: int) -> None:
    """Release the seat of a ticket."""
    assert sale.hall is not None, "a seat belongs to the seating"
    sale.hall.release([number])
    clear_claim(batch, number)


def clear_claim(batch: Batch, number: int) -> None:
    """Record that a seat is free. The hall has changed already."""
    before = batch.claims.get(number)
    batch.claims[number] = SeatClaim(
        True if before is None else before.was_taken, taken=False, ticket_id=None
    )


# Facts ------------------------------------------------------------------------------------------------------


def ticket_facts(tickets: Iterable[Ticket]) -> tuple[facts.TicketFact, ...]:
    """Return tickets in the form that facts have."""
    return tuple([(ticket.ticket_id, ticket.ticket_type_id, ticket.price_minor) for ticket in tickets])


def money_of(tickets: Iterable[Ticket]) -> tuple[facts.MoneyFact, ...]:
    """Return the amounts of tickets in the form that facts have."""
    return tuple(
        [
            (ticket.discount_minor, ticket.surcharge_minor, ticket.fee_minor, ticket.tax_minor)
            for ticket in tickets
        ]
    )


def fee_taxes_of(tickets: Iterable[Ticket]) -> tuple[int, ...]:
    """Return the taxes in the fees of tickets in the form that facts have; empty when there are none."""
    fee_taxes = tuple([ticket.fee_tax_minor for ticket in tickets])
    return fee_taxes if any(fee_taxes) else ()


def seats_of(tickets: Iterable[Ticket]) -> tuple[int, ...]:
    """Return the seats of tickets in the form that facts have; empty when no ticket has one."""
    numbers = [ticket.seat_number for ticket in tickets]
    if not any(number is not None for number in numbers):
        return ()
    return tuple([NO_SEAT if number is None else number for number in numbers])


def released_seats(tickets: Iterable[Ticket]) -> tuple[int, ...]:
    """Return the seats that voiding tickets releases; a replacement ticket has no seat of its own."""
    return tuple(
        [
            ticket.seat_number
            for ticket in tickets
            if ticket.seat_number is not None and ticket.replaces is None
        ]
    )


def with_void(booking: Booking, ticket_ids: Iterable[UUID]) -> tuple[Ticket, ...]:
    """Return a booking's tickets, those with these ids void and no longer returned or replacing."""
    voided = set(ticket_ids)
    return tuple(
        [
            replace(ticket, state="void", returning_since=None, replaces=None)
            if ticket.ticket_id in voided
            else ticket
            for ticket in booking.tickets
        ]
    )
