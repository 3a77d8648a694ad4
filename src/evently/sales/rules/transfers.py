"""The rules of passing tickets on: offer, accept, decline, take back, give back. Pure.

A booking stays its buyer's, with its money and its limits; a ticket of it may have another holder. The code
of a ticket changes with its holder, and the old one is void at once. Nobody but its holder can pass a ticket
on; its buyer can cancel or return it only while they hold it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from evently.sales import facts
from evently.sales.commands.transfers import (
    AcceptTransfer,
    DeclineTransfer,
    GiveBackTicket,
    OfferTransfer,
    WithdrawTransfer,
)
from evently.sales.nouns import Booking, Ticket, Transfer
from evently.sales.outcomes import Done, No, Outcome, SalesRefusal, Transferred
from evently.sales.rules.moves import end_transfer, over_buyer_limit, record_change, record_transfer
from evently.sales.rules.state import Batch, Reissued, Sale
from evently.sales.ticket_code import digest_secret

# Long enough for a person on holiday; then the ticket should not stay in between any longer
TRANSFER_LASTS: Final = timedelta(days=7)


def offer_transfer(sale: Sale, batch: Batch, command: OfferTransfer) -> Outcome:
    """Offer a ticket to the person with an address, until the event starts, but at most for some days."""
    if (earlier := batch.transfers.get(command.transfer_id)) is not None:
        known = (earlier.ticket_id, earlier.giver_id, earlier.address or command.address)
        if known == (command.ticket_id, command.giver_id, command.address):
            return Transferred(earlier, replayed=True)
        return No(SalesRefusal.KEY_REUSED)
    booking = batch.bookings.get(command.booking_id)
    ticket = None if booking is None else _find_ticket(booking, command.ticket_id)
    if booking is None or ticket is None or _holder_of(booking, ticket) != command.giver_id:
        return No(SalesRefusal.UNKNOWN_TICKET)
    if no := _not_transferable(sale, booking, ticket):
        return no
    if (other := sale.transfers.get(ticket.ticket_id)) is not None:
        if other.address == command.address:
            return Transferred(other, replayed=True)
        return No(SalesRefusal.NOT_TRANSFERABLE, "offered")
    if batch.now >= command.event_starts_at:
        return No(SalesRefusal.NOT_TRANSFERABLE, "event_begun")
    # After this point the ticket must be offered.
    transfer = Transfer(
        event_id=sale.event_id,
        transfer_id=command.transfer_id,
        booking_id=booking.booking_id,
        ticket_id=ticket.ticket_id,
        giver_id=command.giver_id,
        address=command.address,
        state="offered",
        offered_at=batch.now,
        expires_at=min(batch.now + TRANSFER_LASTS, command.event_starts_at),
    )
    batch.transfers_offered.append(transfer)
    record_transfer(sale, batch, transfer)
    batch.facts.append(
        facts.TransferOffered(
            transfer.transfer_id,
            transfer.booking_id,
            transfer.ticket_id,
            transfer.giver_id,
            transfer.expires_at,
        )
    )
    return Transferred(transfer)


def accept_transfer(sale: Sale, batch: Batch, command: AcceptTransfer) -> Outcome:
    """Make the receiver the holder of a ticket, and change its code.

    The ticket counts against the limit of the receiver, and still against that of the buyer: else the buyer
    could pass tickets on and buy more of them.
    """
    transfer, receiver_id = batch.transfers.get(command.transfer_id), command.buyer_id
    if transfer is None:
        return No(SalesRefusal.TRANSFER_NOT_FOUND)
    if transfer.state == "accepted" and transfer.receiver_id == receiver_id:
        return Transferred(transfer, replayed=True)
    if transfer.address != command.address:
        return No(SalesRefusal.TRANSFER_NOT_FOUND)
    if transfer.state != "offered":
        return _ended(transfer)
    booking = batch.bookings[transfer.booking_id]
    ticket = _find_ticket(booking, transfer.ticket_id)
    assert ticket is not None, "tickets stay in their booking"
    if no := _not_transferable(sale, booking, ticket):
        return no
    if receiver_id == transfer.giver_id:
        return No(SalesRefusal.NOT_TRANSFERABLE, "own")
    if batch.now >= command.event_starts_at:  # it was moved to an earlier time
        return No(SalesRefusal.NOT_TRANSFERABLE, "event_begun")
    if receiver_id != booking.buyer_id:
        terms = sale.ticket_types[ticket.ticket_type_id]
        if no := over_buyer_limit(batch, receiver_id, terms, 1):
            return no
    # After this point the receiver must get the ticket.
    accepted = replace(transfer, state="accepted", receiver_id=receiver_id, ended_at=batch.now)
    record_transfer(sale, batch, accepted)
    voided, issued = _reissue(batch, booking, ticket, receiver_id)
    batch.facts.append(
        facts.TransferAccepted(
            transfer.transfer_id, transfer.booking_id, transfer.giver_id, receiver_id, voided, issued
        )
    )
    return Transferred(accepted)


def decline_transfer(sale: Sale, batch: Batch, command: DeclineTransfer) -> Outcome:
    """Decline an offer of a ticket."""
    transfer = batch.transfers.get(command.transfer_id)
    if transfer is None or transfer.address != command.address:
        return No(SalesRefusal.TRANSFER_NOT_FOUND)
    if transfer.state == "declined":
        return Transferred(transfer, replayed=True)
    if transfer.state != "offered":
        return _ended(transfer)
    return Transferred(end_transfer(sale, batch, transfer, "declined"))


def withdraw_transfer(sale: Sale, batch: Batch, command: WithdrawTransfer) -> Outcome:
    """Take an offer of a ticket back."""
    transfer = batch.transfers.get(command.transfer_id)
    if transfer is None or transfer.giver_id != command.giver_id:
        return No(SalesRefusal.TRANSFER_NOT_FOUND)
    if transfer.state == "withdrawn":
        return Transferred(transfer, replayed=True)
    if transfer.state != "offered":
        return _ended(transfer)
    return Transferred(end_transfer(sale, batch, transfer, "withdrawn"))


def give_back_ticket(sale: Sale, batch: Batch, command: GiveBackTicket) -> Outcome:
    """Make the buyer the holder of a ticket again, and change its code."""
    booking = batch.bookings.get(command.booking_id)
    ticket = None if booking is None else _find_ticket(booking, command.ticket_id)
    if booking is None or ticket is None or ticket.holder_id != command.holder_id:
        return No(SalesRefusal.UNKNOWN_TICKET)
    if ticket.state == "used":
        return No(SalesRefusal.TICKET_USED)
    if ticket.state == "void":
        return No(SalesRefusal.ALREADY_CANCELLED)
    # After this point the buyer must get the ticket back.
    if (transfer := sale.transfers.get(ticket.ticket_id)) is not None:
        end_transfer(sale, batch, transfer, "withdrawn")
    voided, issued = _reissue(batch, booking, ticket, booking.buyer_id)
    batch.facts.append(
        facts.TicketGivenBack(booking.booking_id, ticket.ticket_id, command.holder_id, voided, issued)
    )
    return Done()


def expire_due(sale: Sale, batch: Batch) -> None:
    """End the open transfers whose time is over."""
    if sale.next_transfer_end_at is None or sale.next_transfer_end_at > batch.now:
        return
    due = [transfer for transfer in sale.transfers.values() if transfer.expires_at <= batch.now]
    # Sorted, because a sale loaded from rows has them in another order
    for transfer in sorted(due, key=lambda each: (each.expires_at, each.transfer_id)):
        end_transfer(sale, batch, transfer, "expired")
    sale.next_transfer_end_at = min(
        [transfer.expires_at for transfer in sale.transfers.values()], default=None
    )


def _not_transferable(sale: Sale, booking: Booking, ticket: Ticket) -> No | None:
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if ticket.state == "used":
        return No(SalesRefusal.TICKET_USED)
    if ticket.state == "void":
        return No(SalesRefusal.ALREADY_CANCELLED)
    if booking.state != "confirmed":
        return No(SalesRefusal.NOT_TRANSFERABLE, "booking_state", {"state": booking.state})
    if ticket.returning_since is not None:
        return No(SalesRefusal.NOT_TRANSFERABLE, "returned")
    return None


def _ended(transfer: Transfer) -> No:
    match transfer.state:
        case "accepted":
            return No(SalesRefusal.TRANSFER_ENDED, "accepted")
        case "declined":
            return No(SalesRefusal.TRANSFER_ENDED, "declined")
        case "withdrawn":
            return No(SalesRefusal.TRANSFER_ENDED, "withdrawn")
        case _:
            return No(SalesRefusal.TRANSFER_ENDED, "expired")


def _find_ticket(booking: Booking, ticket_id: UUID) -> Ticket | None:
    return next((ticket for ticket in booking.tickets if ticket.ticket_id == ticket_id), None)


def _holder_of(booking: Booking, ticket: Ticket) -> UUID:
    return booking.buyer_id if ticket.holder_id is None else ticket.holder_id


def _reissue(batch: Batch, booking: Booking, ticket: Ticket, holder_id: UUID) -> tuple[bytes, bytes]:
    """Give a ticket a holder and a new code; return the digests of the old secret and of the new one."""
    reissued = Reissued(None if holder_id == booking.buyer_id else holder_id, batch.new_secret())
    for person_id, change in ((ticket.holder_id, -1), (reissued.holder_id, +1)):
        limited = (person_id, ticket.ticket_type_id)
        if limited in batch.buyer_units:
            batch.buyer_units[limited] += change
    batch.reissued[ticket.ticket_id] = reissued
    batch.codes_voided.append((ticket.ticket_id, ticket.secret))
    changed = replace(ticket, holder_id=reissued.holder_id, secret=reissued.secret)
    tickets = tuple([changed if each is ticket else each for each in booking.tickets])
    record_change(batch, replace(booking, tickets=tickets))
    return digest_secret(ticket.secret), digest_secret(reissued.secret)
