"""The command that gives tickets other seats."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from evently.sales.commands import Command, Needs


class ExchangeTickets(Command, frozen=True):
    """Give tickets of a confirmed booking other seats, available ones or those of tickets named here.

    Their codes change. `seats` are pairs of a ticket and the id of its new seat; no ticket and no seat is
    named twice. Harmless to repeat: a ticket that has the seat already keeps it, and its code.
    """

    needs: ClassVar = Needs(key=True, booking=True, may_release=False)

    booking_id: UUID
    actor_id: UUID
    seats: tuple[tuple[UUID, str], ...]
    key: str | None = None
    fingerprint: bytes = b""
