"""Applies the passing on of tickets to the replayed sale: offers, holders, codes."""

from __future__ import annotations

from uuid import UUID

from evently.sales import facts
from evently.sales.replay.state import Contradiction, ReplayedBooking, ReplayedSale, ReplayedTransfer

HAS_TRANSFERS = 64  # of `sales.extras`


def offer(sale: ReplayedSale, fact: facts.TransferOffered) -> None:
    """Offer a ticket to another person."""
    sale.extras |= HAS_TRANSFERS
    booking = _booking_of(sale, fact.booking_id, fact.ticket_id)
    if booking is not None and sale.holders.get(fact.ticket_id, booking.buyer_id) != fact.giver_id:
        raise Contradiction(f"ticket {fact.ticket_id} was offered by {fact.giver_id}, who does not hold it")
    if fact.transfer_id in sale.transfers or fact.ticket_id in sale.passing:
        raise Contradiction(f"ticket {fact.ticket_id} was offered twice")
    if fact.ticket_id in sale.check_ins:
        raise Contradiction(f"ticket {fact.ticket_id} was offered after it was used")
    if fact.ticket_id in sale.returning or fact.expires_at <= sale.now():
        raise Contradiction(f"ticket {fact.ticket_id} was offered while it was returned, or for no time")
    sale.passing[fact.ticket_id] = fact.transfer_id
    sale.transfers[fact.transfer_id] = ReplayedTransfer(
        fact.booking_id, fact.ticket_id, fact.giver_id, "offered", sale.now(), fact.expires_at
    )


def accept(sale: ReplayedSale, fact: facts.TransferAccepted) -> None:
    """Give the ticket of a transfer to its receiver, with another code."""
    transfer = _end(sale, fact)
    if sale.now() >= transfer.expires_at or fact.receiver_id == transfer.giver_id:
        raise Contradiction(f"transfer {fact.transfer_id} was accepted too late, or by its giver")
    transfer.state, transfer.receiver_id = "accepted", fact.receiver_id
    booking = _booking_of(sale, fact.booking_id, transfer.ticket_id)
    reissue(sale, transfer.ticket_id, fact.voided, fact.issued)
    if booking is not None and booking.buyer_id == fact.receiver_id:
        sale.holders.pop(transfer.ticket_id, None)
    else:
        sale.holders[transfer.ticket_id] = fact.receiver_id


def end(sale: ReplayedSale, fact: facts.TransferEnded) -> None:
    """End a transfer that was not accepted."""
    transfer = _end(sale, fact)
    if fact.how == "expired" and sale.now() < transfer.expires_at:
        raise Contradiction(f"transfer {fact.transfer_id} expired too early")
    transfer.state = fact.how


def give_back(sale: ReplayedSale, fact: facts.TicketGivenBack) -> None:
    """Give a ticket back to its buyer, with another code."""
    _booking_of(sale, fact.booking_id, fact.ticket_id)
    if sale.holders.pop(fact.ticket_id) != fact.holder_id or fact.ticket_id in sale.passing:
        raise Contradiction(
            f"ticket {fact.ticket_id} was given back by another person, or while it is offered"
        )
    reissue(sale, fact.ticket_id, fact.voided, fact.issued)


def reissue(sale: ReplayedSale, ticket_id: UUID, voided: bytes, issued: bytes) -> None:
    """Change the code of a ticket: the old one is void, and no void one is issued again."""
    if sale.codes.get(ticket_id, voided) != voided:
        raise Contradiction(f"ticket {ticket_id} had another code")
    sale.void_codes[ticket_id, voided] = sale.now()
    if (ticket_id, issued) in sale.void_codes:
        raise Contradiction(f"ticket {ticket_id} got a code that is void")
    sale.codes[ticket_id] = issued


def _end(sale: ReplayedSale, fact: facts.TransferAccepted | facts.TransferEnded) -> ReplayedTransfer:
    transfer = sale.transfers[fact.transfer_id]
    if transfer.state != "offered" or (transfer.booking_id, transfer.giver_id) != (
        fact.booking_id,
        fact.giver_id,
    ):
        raise Contradiction(
            f"transfer {fact.transfer_id} is {transfer.state}, or of another booking or giver"
        )
    del sale.passing[transfer.ticket_id]
    transfer.ended_at = sale.at
    return transfer


def _booking_of(sale: ReplayedSale, booking_id: UUID, ticket_id: UUID) -> ReplayedBooking | None:
    """Return the confirmed booking of a ticket that is not void; None when it is in another part."""
    booking = sale.in_state(booking_id, "confirmed")
    if booking is not None and ticket_id not in booking.tickets:
        raise Contradiction(f"{booking_id} does not have ticket {ticket_id}")
    return booking
