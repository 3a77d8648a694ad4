"""Commands about waitlist entries."""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from evently.sales.commands import Command, Needs

# Waiting entries of one event: cancelling the event withdraws all of them in one batch
WAITING_MAX: Final = 10_000


class JoinWaitlist(Command, frozen=True):
    """Add a waitlist entry for a quantity of a ticket type; `promo_code` unlocks a hidden one."""

    needs: ClassVar = Needs(key=True, live_entries=True, buyer_units=True, promo_uses=True)

    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    key: str | None = None
    fingerprint: bytes = b""
    promo_code: str | None = None  # case does not matter
    admitted: bool = False  # by the waiting room of the sale: its token was verified

    @property
    def actor_id(self) -> UUID:
        """Return whose idempotency key it is."""
        return self.buyer_id

    def ticket_type_ids(self) -> list[UUID]:
        """Return the id of the ticket type that the entry waits for, in a list of one."""
        return [self.ticket_type_id]


class LeaveWaitlist(Command, frozen=True):
    """Withdraw a waitlist entry; its offer, if it has one, is declined. Harmless to repeat.

    `buyer_id` is None when the organizer withdraws it; then its reason is `cancelled`.
    """

    needs: ClassVar = Needs(entry=True)

    entry_id: UUID
    buyer_id: UUID | None


class AcceptOffer(Command, frozen=True):
    """Accept an offer: it becomes a hold to be paid in time, or confirmed when nothing is paid online.

    With `promo_code`, its tickets get the discount of the code; when the code is refused, the offer stays. An
    entry whose hidden ticket type a code unlocked uses that code, unless another one is named.
    """

    needs: ClassVar = Needs(entry=True, promo_uses=True)

    entry_id: UUID
    buyer_id: UUID
    promo_code: str | None = None  # case does not matter
