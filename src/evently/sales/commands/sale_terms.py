"""Commands about the sale itself, from organizers and from the clock."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from evently.sales.commands import Command, Needs
from evently.sales.terms import Conditions, PoolTerms, PromoTerms, Seating, TicketTypeTerms


class WakeSale(Command, frozen=True):
    """Run a batch: every batch begins by expiring due holds and serving the waitlist."""

    needs: ClassVar = Needs()


class SetUpSale(Command, frozen=True):
    """Create the sale of a new event, closed."""

    needs: ClassVar = Needs()

    currency: str
    on_sale_at: datetime
    off_sale_at: datetime
    pools: tuple[PoolTerms, ...]
    ticket_types: tuple[TicketTypeTerms, ...]
    conditions: Conditions | None = None
    seating: Seating | None = None


class ChangeSale(Command, frozen=True):
    """Change the sale window."""

    needs: ClassVar = Needs()

    on_sale_at: datetime
    off_sale_at: datetime


class RescheduleEvent(Command, frozen=True):
    """Record that the event got another start or place, because what buyers were promised depends on it."""

    needs: ClassVar = Needs(may_release=False)

    starts_before: datetime
    starts_at: datetime
    place_changed: bool


class OpenSale(Command, frozen=True):
    """Open the sale: it sells within its window. Refused without a ticket type to sell."""

    needs: ClassVar = Needs()


class CancelSale(Command, frozen=True):
    """Cancel the sale for good. A job cancels the bookings afterwards, one page at a time.

    `keeps_door`: as in `CancelBooking`, for all of them. `reason`: why, in the organizer's words.
    """

    needs: ClassVar = Needs(waiting_entries=True)

    keeps_door: bool = False
    reason: str = ""


class PutPool(Command, frozen=True):
    """Add a pool or change it; its capacity cannot fall below what is held and sold."""

    needs: ClassVar = Needs()

    pool: PoolTerms


class RemovePool(Command, frozen=True):
    """Remove a pool that no ticket type draws on."""

    needs: ClassVar = Needs()

    pool_id: UUID


class PutTicketType(Command, frozen=True):
    """Add a ticket type or change it. The pools of one that has sold cannot be changed."""

    needs: ClassVar = Needs()

    ticket_type: TicketTypeTerms


class RetireTicketType(Command, frozen=True):
    """Stop selling a ticket type; its tickets stay valid."""

    needs: ClassVar = Needs(waiting_entries=True)

    ticket_type_id: UUID


class PutConditions(Command, frozen=True):
    """Change the conditions for bookings from now on; earlier bookings keep theirs."""

    needs: ClassVar = Needs()

    conditions: Conditions


class PutPromoCode(Command, frozen=True):
    """Add a promo code or change it; its limits cannot fall below what was used."""

    needs: ClassVar = Needs()

    promo: PromoTerms


class RetirePromoCode(Command, frozen=True):
    """Stop accepting a promo code; bookings that used it keep their price."""

    needs: ClassVar = Needs()

    promo_id: UUID
