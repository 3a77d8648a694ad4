"""The door: buyers pay on site.

Nothing is reserved, taken or given back here; people at the desk do that with their hands.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from evently.payments.gateway import Authorised, Captured, Forged, Intent, Notice, RefundByHand, Voided


class DoorGateway:
    """See `Gateway`. Its references are the payments' ids."""

    name = "door"

    async def authorise(self, intent: Intent) -> Authorised:
        """Say yes: the buyer pays when they come."""
        return Authorised(str(intent.payment_id))

    async def find(self, intent: Intent, reference: str | None) -> Authorised:
        """Say yes again."""
        return Authorised(reference or str(intent.payment_id))

    async def capture(self, reference: str, amount_minor: int, key: str) -> Captured:  # noqa: ARG002  # the port's
        """Nothing is taken online: 0 is captured, whatever is owed."""
        return Captured(reference, 0)

    async def void(self, reference: str, key: str) -> Voided:  # noqa: ARG002  # the port's
        """Nothing was reserved."""
        return Voided(reference)

    async def refund(self, reference: str, amount_minor: int, key: str, refund_id: UUID) -> RefundByHand:  # noqa: ARG002  # the port's
        """Somebody pays back at the desk."""
        return RefundByHand(reference)

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Notice]:  # noqa: ARG002  # the port's
        """Nobody speaks for the door."""
        raise Forged("the door sends no notices")

    def storable_method(self, method: str | None) -> str | None:  # noqa: ARG002  # the port's
        """Keep nothing: one pays as one likes."""
        return None

    async def close(self) -> None:
        """Nothing is open."""
