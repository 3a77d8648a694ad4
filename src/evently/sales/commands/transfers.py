"""Commands that pass tickets on."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from evently.sales.commands import Command, Needs


class OfferTransfer(Command, frozen=True):
    """Offer a ticket to the person with an e-mail address, which is normalised.

    The id of the transfer comes from the caller, who repeats a request with the same id.
    """

    needs: ClassVar = Needs(booking=True, transfer=True, may_release=False)

    booking_id: UUID
    ticket_id: UUID
    transfer_id: UUID
    giver_id: UUID
    address: str
    event_starts_at: datetime


class AcceptTransfer(Command, frozen=True):
    """Accept a ticket that is offered to the receiver's address, which they have verified.

    Its code changes. `ticket_type_id`: of the ticket, for the limit per buyer. Harmless to repeat.
    """

    needs: ClassVar = Needs(booking=True, transfer=True, buyer_units=True, may_release=False)

    booking_id: UUID
    transfer_id: UUID
    buyer_id: UUID  # the receiver
    address: str
    ticket_type_id: UUID
    event_starts_at: datetime

    def ticket_type_ids(self) -> list[UUID]:
        """Return the id of the ticket's type, in a list of one."""
        return [self.ticket_type_id]


class DeclineTransfer(Command, frozen=True):
    """Decline a ticket that is offered to this address. Harmless to repeat."""

    needs: ClassVar = Needs(transfer=True, may_release=False)

    transfer_id: UUID
    address: str


class WithdrawTransfer(Command, frozen=True):
    """Take back an offer of a ticket that nobody has accepted. Harmless to repeat."""

    needs: ClassVar = Needs(transfer=True, may_release=False)

    transfer_id: UUID
    giver_id: UUID


class GiveBackTicket(Command, frozen=True):
    """Give a ticket that was passed on back to its buyer; its code changes."""

    needs: ClassVar = Needs(booking=True, may_release=False)

    booking_id: UUID
    ticket_id: UUID
    holder_id: UUID
