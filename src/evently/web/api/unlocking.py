"""Hidden ticket types for whoever names a promo code that unlocks them: on the event, and in what is left of it."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from evently.sales.commands import SalesRefusal
from evently.sales.terms import PROMO_CODE_CHARACTERS_MAX
from evently.web.edge.auth import ANONYMOUS, counted
from evently.web.edge.context import Request
from evently.web.edge.routing import QueryParameter

PromoCode: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=PROMO_CODE_CHARACTERS_MAX,
        description="Show the hidden ticket types, too, that this promo code unlocks, in upper or lower case.",
    ),
]
UNLOCKED: Final = {"cache-control": "private, no-store"}  # else a cache would show them to everybody
REFUSALS: Final = (
    SalesRefusal.UNKNOWN_PROMO_CODE,
    SalesRefusal.PROMO_CODE_NOT_VALID,
    SalesRefusal.PROMO_CODE_USED_UP,
)


async def count_guess(request: Request) -> UUID | None:
    """Count a promo code against its limit, or codes could be guessed; return who names it, if we know."""
    await request.context.limits.check("promo_codes", counted(request), request.exchange)
    return None if request.actor is ANONYMOUS else request.actor.id
