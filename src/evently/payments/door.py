"""The door: buyers pay on site.

Nothing is reserved, captured or refunded here. People at the door take and return the money.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from evently.kit.denominations import Denomination, iso_denomination
from evently.payments.gateway import (
    Authorised,
    Captured,
    Forged,
    Intent,
    Notice,
    NoticePage,
    PaidBack,
    RefundByHand,
    Voided,
)


class DoorGateway:
    """See `Gateway`. A reference is the id of the payment."""

    name = "door"

    def denomination(self, currency: str) -> Denomination:
        """Return that of ISO 4217: people at the door take any sum."""
        return iso_denomination(currency)

    async def authorise(self, intent: Intent) -> Authorised:
        """Authorise everything: the buyer pays on site."""
        return Authorised(str(intent.payment_id))

    async def find(self, intent: Intent, reference: str | None) -> Authorised:
        """Return the authorisation."""
        return Authorised(reference or str(intent.payment_id))

    # The signatures below are those of the port.

    async def capture(self, reference: str, amount_minor: int, key: str) -> Captured:  # noqa: ARG002
        """Capture 0, whatever the amount: no money is taken online."""
        return Captured(reference, 0)

    async def void(self, reference: str, key: str) -> Voided:  # noqa: ARG002
        """Void nothing: no money was reserved."""
        return Voided(reference)

    async def refund(
        self,
        reference: str,
        amount_minor: int,  # noqa: ARG002
        key: str,  # noqa: ARG002
        refund_id: UUID,  # noqa: ARG002
        *,
        of_rest: bool = False,  # noqa: ARG002
    ) -> RefundByHand:
        """Leave the refund to a person."""
        return RefundByHand(reference)

    async def list_paid_back(self, reference: str) -> list[PaidBack]:  # noqa: ARG002
        """Return nothing: no money is taken online."""
        return []

    async def list_notices(self, since: datetime, after: str | None) -> NoticePage:  # noqa: ARG002
        """Return no notices: the door sends none."""
        return NoticePage([], None)

    async def find_payment_id(self, reference: str) -> UUID | None:  # noqa: ARG002
        """Return nothing: the door sends no notices."""
        return None

    def read_webhook(
        self,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> list[Notice]:
        """Reject every notice: the door sends none."""
        raise Forged("the door sends no notices")

    def storable_method(self, method: str | None) -> str | None:  # noqa: ARG002
        """Store nothing: the buyer chooses on site."""
        return None

    async def close(self) -> None:
        """Close nothing: there is no connection."""
