"""Bookings that nothing can pay: refused before there is a hold, where there is no payment gateway."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from evently import sales
from evently.kit.errors import Refused
from evently.sales.commands.bookings import BookingLine
from evently.sales.outcomes import SalesRefusal
from evently.web.services import Request


async def refuse_unpayable(
    request: Request,
    event_id: UUID,
    lines: Sequence[BookingLine],
    promo_code: str | None = None,
    promo_id: UUID | None = None,
) -> None:
    """Refuse lines that would be paid online, if this installation cannot take the payment.

    It costs nothing where the operator has named a gateway. `promo_id`: of the code of a waitlist entry.
    """
    context = request.context
    if context.checkout.gateway is not None or await context.checkout.find_gateway() is not None:
        return
    if promo_code is None and promo_id is not None:
        promo_code = await sales.reads.find_code(context.database, event_id, promo_id)
    quote = await sales.reads.find_booking_quote(
        context.database, event_id, request.actor.id, lines, promo_code, context.clock()
    )
    total_minor = sum(line.total_minor() * line.quantity for line in quote.lines)
    if quote.conditions.payment == "online" and total_minor > 0:
        raise Refused(SalesRefusal.NO_GATEWAY, "booking")
